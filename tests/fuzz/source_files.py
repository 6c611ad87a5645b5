"""Small valid files of every outside format: what the tests of the sources read, and what the fuzzing starts from.

The motion is known (joints of the stand-in body, or gentle sines of every joint), the layout is each format's own.
"""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from scipy.spatial.transform import Rotation

from m3n.body.kinematics import joint_transforms
from m3n.body.model import SMPL_JOINTS, load_body
from m3n.sources.paired.utd_mhad import KINECT_JOINTS
from m3n.sources.poses import msr_action3d, ui_prmd
from m3n.sources.shared.skeletons import SKELETONS

FRAMES = 12


YDOWN = np.array([np.pi, 0.0, 0.0])  # an upright person in front of a camera: half a turn about x


def standing_pose(frames: int = FRAMES, seed: int = 0) -> np.ndarray:
    """SMPL poses (F, 24, 3): small smooth motion, elbows bent, root at rest (y up)."""
    time = np.linspace(0, 1, frames)[:, None, None]
    rng = np.random.default_rng(seed)
    poses = 0.1 * np.sin(2 * np.pi * time + rng.uniform(0, 6, (1, 24, 3)))
    poses[:, 0] = 0
    poses[:, 18, 1] -= 1.0
    poses[:, 19, 1] += 1.0
    return poses


def body_joints(frames: int = FRAMES) -> np.ndarray:
    """Joints (F, 24, 3) m of the stand-in body, z up."""
    poses = standing_pose(frames)
    poses[:, 0] = (np.pi / 2, 0, 0)
    return joint_transforms(load_body("smpl"), poses, np.zeros((frames, 3)))[1]


def joints_arrays(**changed: Any) -> dict[str, Any]:
    """What `m3n ingest joints` reads; a key that is changed to None is left out."""
    data: dict[str, Any] = {"joints": body_joints(), "joint_names": list(SMPL_JOINTS), "fps": 30.0, "up": "z", "unit": "m"}
    return {key: value for key, value in {**data, **changed}.items() if value is not None}


def write_joints(file: Path, **changed: Any) -> Path:
    np.savez(file, **joints_arrays(**changed))
    return file


def joint_csv(frames: int = FRAMES, axes: str = "xyz") -> str:
    """A line a frame, in a table like those of scripts around pose estimators."""
    points = body_joints(frames)
    lines = ["frame,time_ms," + ",".join(f"{name}_{axis}" for name in SMPL_JOINTS for axis in axes)]
    for frame, row in enumerate(points):
        values = [f"{one[k]:.5f}" for one in row for k in range(len(axes))]
        lines.append(f"{frame},{frame * 1000 / 30:.2f}," + ",".join(values))
    return "\n".join(lines) + "\n"


def joint_json(frames: int = FRAMES) -> str:
    """A list of frames with named points."""
    rows = [[dict(zip("xyz", point, strict=True)) for point in row] for row in body_joints(frames).round(5).tolist()]
    return json.dumps({"joint_names": list(SMPL_JOINTS), "frames": [{"frame": k, "joints": row} for k, row in enumerate(rows)]})


def skeleton_joints(skeleton: str, frames: int = FRAMES) -> np.ndarray:
    """The joints (F, J, 3) m, z up, of another skeleton on the stand-in body; those without a place on it are at the head."""
    like = {"spine_base": "pelvis", "hip_center": "pelvis", "spine_mid": "spine1", "spine_shoulder": "neck"}
    points = body_joints(frames)
    made = []
    for name in SKELETONS[skeleton]:
        name = like.get(name, name.replace("foot_index", "foot").replace("pinky", "hand").replace("index", "hand"))
        aside = {"left_ear": 0.07, "right_ear": -0.07}.get(name, 0.0)
        joint = SMPL_JOINTS.index(name if name in SMPL_JOINTS else "head")
        made.append(points[:, joint] + np.array([aside, 0.0, 0.0]))
    return np.stack(made, axis=1)


def ntu_text(frames: int = FRAMES, bodies: int = 1) -> str:
    """As NTU RGB+D has it: bodies of 25 joints with ten more fields each, camera frame, y up."""
    points = skeleton_joints("kinect25", frames) @ np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]]) + np.array([0, 0, 3.0])
    lines = [str(frames)]
    for row in points:
        lines.append(str(bodies))
        for body in range(bodies):
            lines += [f"7205759403793633{body} 0 1 1 1 1 0 0.02 -0.3 2", "25"]
            lines += [f"{x + body:.6f} {y:.6f} {z:.6f} 250.1 180.2 950.3 500.4 0.1 0.2 0.3 0.9 2" for x, y, z in row]
    return "\n".join(lines) + "\n"


def trc_text(labels: list[str], points: np.ndarray, unit: str = "m", rate: float = 60.0) -> str:
    """A TRC file of points (F, M, 3), z up, in OpenSim's world, y up; a point that is NaN is left blank."""
    values = points @ np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]]) / {"m": 1.0, "mm": 0.001}[unit]
    about = [f"{rate:g}", f"{rate:g}", str(len(points)), str(len(labels)), unit, f"{rate:g}", "1", str(len(points))]
    lines = [
        "PathFileType\t4\t(X/Y/Z)\tclip.trc",
        "DataRate\tCameraRate\tNumFrames\tNumMarkers\tUnits\tOrigDataRate\tOrigDataStartFrame\tOrigNumFrames", "\t".join(about),
        "Frame#\tTime\t" + "\t\t\t".join(labels), "\t\t" + "\t".join(f"X{k}\tY{k}\tZ{k}" for k in range(1, len(labels) + 1)),
    ]  # fmt: skip
    for frame, row in enumerate(values):
        cells = ["" if np.isnan(value) else f"{value:.6f}" for value in row.reshape(-1)]
        lines.append("\t".join([str(frame + 1), f"{frame / rate:.6f}", *cells]))
    return "\n".join(lines) + "\n"


HALPE = {  # Pose2Sim's names of joints
    "CHip": "pelvis", "Neck": "neck", "Head": "head",
    **{f"{side[0].upper()}{name}": f"{side}_{joint}" for side in ("right", "left") for name, joint in (
        ("Hip", "hip"), ("Knee", "knee"), ("Ankle", "ankle"), ("BigToe", "foot"), ("Shoulder", "shoulder"), ("Elbow", "elbow"),
        ("Wrist", "wrist"))},
}  # fmt: skip


def pose2sim_text(frames: int = FRAMES) -> str:
    """A TRC file of joints, as Pose2Sim names them."""
    return trc_text(list(HALPE), body_joints(frames)[:, [SMPL_JOINTS.index(joint) for joint in HALPE.values()]])


def opencap_markers(frames: int = FRAMES) -> tuple[list[str], np.ndarray]:
    """OpenCap's anatomical markers and their points (F, M, 3) m, z up: Plug-in Gait's, with medial ones beyond the joints."""
    poses = standing_pose(frames)
    poses[:, 0] = (np.pi / 2, 0, 0)
    found = dict(zip(ui_prmd.MARKERS, np.moveaxis(body_markers(poses, np.zeros((frames, 3))), 1, 0), strict=True))
    joints = dict(zip(SMPL_JOINTS, np.moveaxis(body_joints(frames), 1, 0), strict=True))
    made = {"C7_study": found["C7"]}
    for side, own in (("L", "L"), ("R", "r")):
        long = {"L": "left", "R": "right"}[side]
        made |= {f"{own}.ASIS_study": found[f"{side}ASI"], f"{own}.PSIS_study": found[f"{side}PSI"]}
        made |= {f"{own}_lwrist_study": found[f"{side}WRA"], f"{own}_mwrist_study": found[f"{side}WRB"]}
        made |= {f"{own}_shoulder_study": found[f"{side}SHO"], f"{own}_toe_study": found[f"{side}TOE"]}
        for lateral, medial, marker, joint in (
            ("lelbow", "melbow", "ELB", "elbow"), ("knee", "mknee", "KNE", "knee"), ("ankle", "mankle", "ANK", "ankle")
        ):  # fmt: skip
            outer = found[f"{side}{marker}"]
            made |= {f"{own}_{lateral}_study": outer, f"{own}_{medial}_study": 2 * joints[f"{long}_{joint}"] - outer}
    return list(made), np.stack(list(made.values()), axis=1)


_MVN = {
    "Pelvis": "pelvis", "L5": "spine1", "T8": "spine3", "Neck": "neck", "Head": "head",
    **{f"{side}{segment}": f"{side.lower()}_{joint}" for side in ("Right", "Left") for segment, joint in (
        ("Shoulder", "collar"), ("UpperArm", "shoulder"), ("ForeArm", "elbow"), ("Hand", "wrist"), ("UpperLeg", "hip"),
        ("LowerLeg", "knee"), ("Foot", "ankle"), ("Toe", "foot"))},
}  # fmt: skip


def mvnx_text(frames: int = FRAMES, twist_rad: float = 0.0) -> str:
    """MVNX of the stand-in body, z up; `twist_rad` turns both forearms about themselves, the thumb's side upwards at first.

    An orientation is that of a bone against the T-pose, in which x is ahead, y to the left and z up."""
    poses = standing_pose(frames)
    poses[:, 0] = (np.pi / 2, 0, 0)
    turns, places = joint_transforms(load_body("smpl"), poses, np.zeros((frames, 3)))
    rest = np.array([[0.0, 1, 0], [0, 0, 1], [1, 0, 0]])  # MVN's axes (ahead, left, up) in SMPL's at rest (left, up, ahead)
    at = [SMPL_JOINTS.index(joint) for joint in _MVN.values()]
    own = turns[:, at] @ rest
    for k, name in enumerate(_MVN):
        if name.endswith("ForeArm"):
            along = np.array([0.0, twist_rad if name.startswith("Left") else -twist_rad, 0.0])
            own[:, k] = own[:, k] @ Rotation.from_rotvec(along).as_matrix()
    quaternions = Rotation.from_matrix(own.reshape(-1, 3, 3)).as_quat().reshape(frames, -1, 4)[..., [3, 0, 1, 2]]
    segments = "".join(f'<segment label="{name}" id="{k + 1}"/>' for k, name in enumerate(_MVN))
    rows = [
        f'<frame time="{17 * k}" index="{k}" tc="" ms="{1000 + 17 * k}" type="normal"><orientation>'
        + " ".join(f"{value:.6f}" for value in quaternions[k].reshape(-1)) + "</orientation><position>"
        + " ".join(f"{value:.6f}" for value in places[k, at].reshape(-1)) + "</position></frame>"
        for k in range(frames)
    ]  # fmt: skip
    still = '<frame time="0" index="" type="identity"><orientation/><position/></frame>'
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n<mvnx xmlns="http://www.xsens.com/mvn/mvnx" version="4">\n'
        f'<subject label="anna" frameRate="60" segmentCount="{len(_MVN)}"><segments>{segments}</segments><frames>{still}'
        + "\n".join(rows) + "</frames></subject></mvnx>\n"
    )  # fmt: skip


def aist_dance(frames: int = FRAMES, scale: float = 93.0) -> dict[str, Any]:
    """A motion as AIST++ keeps it: the translation is `scale` times that of a body in metres, y up."""
    walk = np.linspace((0.0, 1.0, 0.0), (0.2, 1.0, 0.1), frames)
    return {
        "smpl_loss": 1.25, "smpl_poses": standing_pose(frames).reshape(frames, 72), "smpl_scaling": np.array([scale]),
        "smpl_trans": scale * walk,
    }  # fmt: skip


def emdb_sequence(frames: int = FRAMES) -> dict[str, Any]:
    """A sequence in EMDB's layout, its fifth frame marked as bad."""
    poses = standing_pose(frames).reshape(frames, 72)
    good = np.ones(frames, bool)
    good[4] = False
    return {
        "gender": "female", "name": "P0_00", "emdb1": True, "n_frames": frames, "good_frames_mask": good,
        "camera": {"intrinsics": np.eye(3), "extrinsics": np.tile(np.eye(4), (frames, 1, 1)), "width": 1440, "height": 1920},
        "smpl": {"poses_root": poses[:, :3], "poses_body": poses[:, 3:], "trans": np.tile((0.0, 1.0, 0.0), (frames, 1)),
                 "betas": np.zeros(10)},
    }  # fmt: skip


def threedpw_sequence(frames: int = FRAMES) -> dict[str, Any]:
    """Two people in 3DPW's layout; the camera of the second is unknown in the last two frames."""
    poses = standing_pose(frames).reshape(frames, 72)
    valid = np.ones(frames, int)
    valid[-2:] = 0
    return {
        "sequence": "courtyard_arguing_00", "genders": ["m", "f"], "betas": [np.zeros(300), np.zeros(10)],
        "poses": [poses, poses], "trans": [np.tile((0.0, 1.0, 0.0), (frames, 1)), np.tile((1.0, 1.0, 0.0), (frames, 1))],
        "campose_valid": [np.ones(frames, int), valid], "cam_poses": np.tile(np.eye(4), (frames, 1, 1)),
        "img_frame_ids": np.arange(frames),
    }  # fmt: skip


def msr_text() -> str:
    """As in the dataset: 20 lines a frame, 'x y z confidence', camera frame (y up, z away)."""
    points = body_joints()[:, [SMPL_JOINTS.index(joint or "spine2") for joint in msr_action3d.JOINTS]]
    points = np.stack([points[..., 0], points[..., 2], 2.5 - points[..., 1]], axis=-1)
    lines = [f"{x:.6f} {y:.6f} {z:.6f} 1.000000" for x, y, z in points.reshape(-1, 3)]
    return "\n".join(lines) + "\n"


def write_msr(folder: Path, name: str = "a05_s01_e02") -> Path:
    folder.mkdir(exist_ok=True)
    (folder / f"{name}_skeleton3D.txt").write_text(msr_text())
    return folder


def body_markers(poses: np.ndarray, trans: np.ndarray) -> np.ndarray:
    """Plug-in Gait markers (F, 39, 3) m on the stand-in body, each fixed to the bone that it sits on.

    At rest x is the body's left, y up, z forward; outwards is up at the elbow (+y) and sideways at a knee, and the thumb's side of
    the wrist is in front (+z)."""
    turns, places = joint_transforms(load_body("smpl"), poses, trans)
    rest = joint_transforms(load_body("smpl"), np.zeros((1, 24, 3)), np.zeros((1, 3)))[1][0]
    at = {name: k for k, name in enumerate(SMPL_JOINTS)}

    def on(bone: str, joint: str, *offset: float) -> np.ndarray:
        k = at[bone]
        return places[:, k] + turns[:, k] @ (rest[at[joint]] - rest[k] + np.array(offset or (0.0, 0.0, 0.0)))

    found = {}
    hips = 0.5 * (rest[at["left_hip"]] + rest[at["right_hip"]])
    width, depth = (
        (abs(rest[at["left_hip"]][0] - hips[0]) - 0.0073) / 0.33,
        0.16,
    )  # Harrington's regression, the other way round
    up, ahead = 0.30 * width + 0.0109, 0.24 * depth + 0.0099
    shoulders = rest[at["left_shoulder"]][0] - rest[at["right_shoulder"]][0]
    for letter, side, sign in (("L", "left", 1.0), ("R", "right", -1.0)):
        shoulder, elbow, wrist, hip, knee, ankle = (
            f"{side}_{part}" for part in ("shoulder", "elbow", "wrist", "hip", "knee", "ankle")
        )
        front = hips - rest[at["pelvis"]] + np.array([sign * width / 2, up, ahead])
        here = {
            "ASI": on("pelvis", "pelvis", *front), "PSI": on("pelvis", "pelvis", *(front - [sign * 0.05, 0, depth])),
            "SHO": on("spine3", shoulder, 0, 0.17 * shoulders, 0), "UPA": on(shoulder, shoulder, sign * 0.15, 0.05, 0.01),
            "ELB": on(shoulder, elbow, 0, 0.041, 0), "FRM": on(elbow, elbow, sign * 0.12, 0.04, 0.01),
            "WRA": on(elbow, wrist, 0, 0, 0.037), "WRB": on(elbow, wrist, 0, 0, -0.037),
            "FIN": on(wrist, f"{side}_hand"), "THI": on(hip, hip, sign * 0.09, -0.2, 0.02),
            "KNE": on(hip, knee, sign * 0.055, 0, 0), "TIB": on(knee, knee, sign * 0.06, -0.2, 0.02),
            "ANK": on(knee, ankle, sign * 0.043, 0, 0), "HEE": on(ankle, ankle, 0, -0.04, -0.07), "TOE": on(ankle, f"{side}_foot"),
            "FHD": on("head", "head", sign * 0.07, 0, 0.08), "BHD": on("head", "head", sign * 0.07, 0, -0.08),
        }  # fmt: skip
        found |= {letter + name: points for name, points in here.items()}
    for name, offset in (
        ("C7", (0, 0, -0.06)), ("CLAV", (0, 0, 0.06)), ("T10", (0, -0.25, -0.1)), ("STRN", (0, -0.25, 0.1)),
        ("RBAK", (-0.08, -0.15, -0.1)),
    ):  # fmt: skip
        found[name] = on("spine3", "neck", *offset)
    return np.stack([found[name] for name in ui_prmd.MARKERS], axis=1)


def ui_prmd_text(frames: int = FRAMES) -> str:
    """As in the dataset: a line a frame, 39 markers x 3 in mm, z up."""
    poses = standing_pose(frames)
    poses[:, 0] = (np.pi / 2, 0, 0)
    rows = 1000 * body_markers(poses, np.tile([0.5, 0.5, 1.0], (frames, 1))).reshape(frames, -1)
    return "".join(",".join(f"{value:.1f}" for value in row) + "\n" for row in rows)


_ASF_BONES = (  # name, parent, direction, length, axis, dof: CMU's names, with lengths in inches x 0.45
    ("lowerback", "root", (0, 1, 0), 2.0, (0, 0, 0), "rx ry rz"), ("upperback", "lowerback", (0, 1, 0), 2.0, (0, 0, 0), "rx ry rz"),
    ("thorax", "upperback", (0, 1, 0), 2.0, (0, 0, 0), "rx ry rz"), ("lowerneck", "thorax", (0, 1, 0), 1.5, (0, 0, 0), "rx ry rz"),
    ("upperneck", "lowerneck", (0, 1, 0), 1.5, (0, 0, 0), "rx ry rz"),
    *(
        (letter + name, letter + parent if parent not in ("root", "thorax") else parent, (sign * x, y, z), length, axis(sign), dof)
        for letter, sign in (("l", 1), ("r", -1))
        for name, parent, (x, y, z), length, axis, dof in (
            ("hipjoint", "root", (0.57, -0.75, 0.35), 2.4, lambda s: (0, 0, 0), ""),
            ("femur", "hipjoint", (0.34, -0.94, 0), 7.2, lambda s: (0, 0, 20 * s), "rx ry rz"),
            ("tibia", "femur", (0.34, -0.94, 0), 7.4, lambda s: (0, 0, 20 * s), "rx"),
            ("foot", "tibia", (0.07, -0.18, 0.98), 2.3, lambda s: (-90, 0, 20 * s), "rx rz"),
            ("clavicle", "thorax", (0.93, 0.36, -0.1), 3.5, lambda s: (0, 0, 0), "ry rz"),
            ("humerus", "clavicle", (1, 0, 0), 5.0, lambda s: (180, -30 * s, -90 * s), "rx ry rz"),
            ("radius", "humerus", (1, 0, 0), 3.5, lambda s: (180, -30 * s, -90 * s), "rx"),
            ("wrist", "radius", (1, 0, 0), 1.7, lambda s: (0, 90 * s, 90 * s), "ry"),
            ("hand", "wrist", (1, 0, 0), 0.7, lambda s: (0, 90 * s, 90 * s), "rx rz"),
        )
    ),
)  # fmt: skip


def asf_text() -> str:
    """A skeleton as CMU writes it."""
    lines = [
        ":version 1.10", ":name VICON", ":units", "  mass 1.0", "  length 0.45", "  angle deg", ":root",
        "   order TX TY TZ RX RY RZ", "   axis XYZ", "   position 0 0 0", "   orientation 0 0 0", ":bonedata",
    ]  # fmt: skip
    for k, (name, _, direction, length, axis, dof) in enumerate(_ASF_BONES, 1):
        lines += ["  begin", f"     id {k}", f"     name {name}", "     direction {} {} {}".format(*direction)]
        lines += [
            f"     length {length}",
            "     axis {} {} {}   XYZ".format(*axis),
            *([f"    dof {dof}"] if dof else []),
            "  end",
        ]
    lines += [":hierarchy", "  begin"]
    for parent in dict.fromkeys(bone[1] for bone in _ASF_BONES):
        lines.append("    " + " ".join([parent, *(bone[0] for bone in _ASF_BONES if bone[1] == parent)]))
    return "\n".join([*lines, "  end", ""])


def amc_text(frames: int = FRAMES, **angles: tuple[float, ...]) -> str:
    """A motion of that skeleton: elbows bent by 60 degrees, the arms lowered, everything else near rest; `angles` in degrees."""
    lines = [":FULLY-SPECIFIED", ":DEGREES"]
    for frame in range(frames):
        lines += [str(frame + 1), f"root 0 {16.5 + 0.01 * frame} 0 0 {frame} 0"]
        for name, _, _, _, _, dof in _ASF_BONES:
            still = {"humerus": (0, 0, 60 if name[0] == "l" else -60), "radius": (60 + frame,)}.get(
                name[1:], (0.5,) * len(dof.split())
            )
            if dof:
                lines.append(" ".join([name, *(f"{value}" for value in angles.get(name, still))]))
    return "\n".join(lines) + "\n"


RIG = (  # name, parent, offset in cm: a T-pose facing +z, y up
    ("Hips", None, (0, 95, 0)), ("Spine", "Hips", (0, 20, 0)), ("Neck", "Spine", (0, 30, 0)), ("Head", "Neck", (0, 10, 0)),
    *(
        (f"{side}{bone}", f"{side}{parent}" if parent in ("Arm", "ForeArm", "Shoulder", "UpLeg", "Leg", "Foot") else parent,
         (sign * x, y, z))
        for side, sign in (("Left", 1), ("Right", -1))
        for bone, parent, (x, y, z) in (
            ("Shoulder", "Spine", (5, 25, 0)), ("Arm", "Shoulder", (12, 0, 0)), ("ForeArm", "Arm", (28, 0, 0)),
            ("Hand", "ForeArm", (25, 0, 0)), ("UpLeg", "Hips", (9, -5, 0)), ("Leg", "UpLeg", (0, -42, 0)),
            ("Foot", "Leg", (0, -41, 0)), ("ToeBase", "Foot", (0, -5, 12)),
        )
    ),
)  # fmt: skip


def bvh_text(angles: dict[str, tuple[float, float, float]], frames: int = 20, inner: bool = False) -> str:
    """A BVH of RIG; `angles` are Zrotation, Xrotation, Yrotation in degrees; `inner`: position channels at every joint."""
    children: dict[str | None, list[Any]] = defaultdict(list)
    for joint in RIG:
        children[joint[1]].append(joint)
    order: list[str] = []

    def block(joint: Any, depth: int) -> list[str]:
        name, parent, offset = joint
        order.append(name)
        pad, moves = "\t" * depth, inner or parent is None
        position = "Xposition Yposition Zposition " if moves else ""
        lines = [f"{pad}{'JOINT' if parent else 'ROOT'} {name}", f"{pad}{{", f"{pad}\tOFFSET {' '.join(map(str, offset))}"]
        lines.append(f"{pad}\tCHANNELS {6 if moves else 3} {position}Zrotation Xrotation Yrotation")
        for child in children[name]:
            lines += block(child, depth + 1)
        if not children[name]:
            lines += [f"{pad}\tEnd Site", f"{pad}\t{{", f"{pad}\t\tOFFSET 0 0 0", f"{pad}\t}}"]
        return [*lines, f"{pad}}}"]

    head = ["HIERARCHY", *block(children[None][0], 0), "MOTION", f"Frames: {frames}", "Frame Time: 0.0333333"]
    offsets = {name: offset for name, _, offset in RIG}
    row: list[float] = []
    for name in order:
        row += [*(offsets[name] if inner or name == "Hips" else ()), *angles.get(name, (0, 0, 0))]
    return "\n".join([*head, *[" ".join(map(str, row))] * frames]) + "\n"


def write_bvh(file: Path, angles: dict[str, tuple[float, float, float]], frames: int = 20, inner: bool = False) -> Path:
    file.write_text(bvh_text(angles, frames, inner))
    return file


BENT = {"LeftForeArm": (0.0, 0.0, -60.0), "RightForeArm": (0.0, 0.0, 60.0)}  # about y: forearms swing forwards


def smplx_arrays(**changed: Any) -> dict[str, Any]:
    """A clip with How2Sign's keys; a key that is changed to None is left out."""
    body = standing_pose()
    data: dict[str, Any] = {
        "smplx_root_pose": np.tile(YDOWN, (FRAMES, 1)), "smplx_body_pose": body[:, 1:22].reshape(FRAMES, 63),
        "smplx_lhand_pose": np.full((FRAMES, 45), 0.1), "smplx_rhand_pose": np.full((FRAMES, 45), 0.2),
        "smplx_jaw_pose": np.full((FRAMES, 3), 0.3), "smplx_shape": np.zeros((FRAMES, 10)),
        "cam_trans": np.tile((0.1, 0.2, 3.0), (FRAMES, 1)),
    }  # fmt: skip
    return {key: value for key, value in {**data, **changed}.items() if value is not None}


def write_smplx(file: Path, **changed: Any) -> Path:
    np.savez(file, **smplx_arrays(**changed))
    return file


def wham_person(ids: np.ndarray | None = None) -> dict[str, Any]:
    ids = np.arange(FRAMES) if ids is None else ids
    world = standing_pose(len(ids)).reshape(len(ids), 72).astype(np.float32)
    camera = world.copy()
    camera[:, :3] = YDOWN
    return {
        "pose": camera, "trans": np.tile(np.float32((0, 0, 3)), (len(ids), 1)), "pose_world": world,
        "trans_world": np.linspace((0, 1, 0), (0, 1, 1), len(ids), dtype=np.float32),
        "betas": np.zeros((len(ids), 10), np.float32),
        "verts": np.zeros((len(ids), 4, 3), np.float32), "frame_ids": ids,
    }  # fmt: skip


def gvhmr_params() -> dict[str, torch.Tensor]:
    body = torch.from_numpy(standing_pose()[:, 1:22].reshape(FRAMES, 63)).float()
    return {
        "body_pose": body, "global_orient": torch.zeros(FRAMES, 3), "transl": torch.zeros(FRAMES, 3),
        "betas": torch.zeros(FRAMES, 10),
    }  # fmt: skip


def phalp_frame(time: int, ids: list[int], unseen: list[int] | None = None) -> dict[str, Any]:
    matrices = Rotation.from_rotvec(standing_pose()[time % FRAMES]).as_matrix().astype(np.float32)
    turned = Rotation.from_rotvec(YDOWN).as_matrix().astype(np.float32)
    body = {"global_orient": turned[None], "body_pose": matrices[1:], "betas": np.zeros(10, np.float32)}
    return {
        "time": time, "tid": ids, "tracked_time": unseen or [0] * len(ids), "smpl": [body] * len(ids),
        "camera": [np.array((0.1, 0.2, 30.0 + time % 3), np.float32)] * len(ids), "mask": [None] * len(ids),
    }  # fmt: skip


def romp_image(people: int = 1, ids: list[int] | None = None) -> dict[str, Any]:
    thetas = standing_pose()[:people].reshape(people, 72).astype(np.float32)
    thetas[:, :3] = YDOWN
    image = {
        "smpl_thetas": thetas, "smpl_betas": np.zeros((people, 10), np.float32),
        "cam_trans": np.tile(np.float32((0, 0, 3)), (people, 1)), "verts": np.zeros((people, 3, 3), np.float32),
    }  # fmt: skip
    return image if ids is None else {**image, "track_ids": np.array(ids)}


def glamr_person(frames: int = FRAMES) -> dict[str, Any]:
    orient = np.tile(np.float32((np.pi / 2, 0, 0)), (frames, 1))
    return {
        "smpl_pose": standing_pose(frames)[:, 1:].reshape(frames, 69).astype(np.float32), "smpl_beta": np.zeros((frames, 10)),
        "smpl_orient_world": orient, "root_trans_world": np.tile(np.float32((1, 2, 0.9)), (frames, 1)),
        "exist_frames": np.ones(frames, bool), "frames": np.arange(frames), "scale": None,
    }  # fmt: skip


def amass_arrays(width: int = 156, frames: int = 5, rate_key: str = "mocap_framerate", **more: Any) -> dict[str, Any]:
    """A clip as AMASS writes it: poses (frames, width), trans (frames, 3), betas (16,), a frame rate."""
    rng = np.random.default_rng(0)
    data: dict[str, Any] = {"poses": rng.normal(size=(frames, width)), "trans": rng.normal(size=(frames, 3))}
    return data | {"betas": rng.normal(size=16), rate_key: np.array(120.0), **more}


def utd_matrices(frames: int = FRAMES) -> dict[str, dict[str, np.ndarray]]:
    """File name -> variables of one UTD-MHAD clip: (20, 3, frames) m in the Kinect's frame, (samples, 6) in g and degrees/s."""
    points = body_joints(frames)[:, [SMPL_JOINTS.index(joint or "spine2") for _, joint in KINECT_JOINTS]]
    kinect = np.stack([points[..., 0], points[..., 2], 2.5 - points[..., 1]], axis=-1)
    still = np.tile([-1.0, 0.0, 0.0, 0.5, -0.5, 0.2], (2 * frames, 1))
    return {
        "UTD/Skeleton/a1_s1_t1_skeleton.mat": {"d_skel": kinect.transpose(1, 2, 0)},
        "UTD/Inertial/a1_s1_t1_inertial.mat": {"d_iner": still},
    }


def watch_arrays(**changed: Any) -> dict[str, Any]:
    """Two recordings in the layout of seglearn's watch_dataset.npy: a hanging right arm and its mirror image, 50 samples."""
    hanging = np.tile([-1.0, 0.1, -0.2, 0.3, 0.4, 0.5], (50, 1))
    data = {"X": [hanging, hanging * [-1, 1, 1, 1, -1, -1]], "y": np.array([1, 1]), "subject": np.array([4, 4])}
    return data | {"side": np.array([1.0, 0.0]), "y_labels": ["PEN", "ABD"]} | changed


def sample_columns(times: Any = None, **more: list[Any]) -> dict[str, list[Any]]:
    """Columns of a recording in s, g and degrees/s, 200 samples at 50 Hz: a sensor swings about its y axis, 0.3 rad at 0.5 Hz."""
    clock = np.arange(200) / 50 if times is None else np.asarray(times)
    angle = 0.3 * np.sin(np.pi * clock)
    still = np.zeros(len(clock))
    columns = {
        "time": clock, "ax": -np.sin(angle), "ay": still, "az": np.cos(angle),
        "gx": still, "gy": np.degrees(0.3 * np.pi * np.cos(np.pi * clock)), "gz": still,
    }  # fmt: skip
    return {name: values.tolist() for name, values in columns.items()} | more


def sample_csv(columns: dict[str, list[Any]]) -> str:
    lines = [",".join(columns), *(",".join(str(value) for value in row) for row in zip(*columns.values(), strict=True))]
    return "\n".join(lines) + "\n"


def dot_csv() -> str:
    """A Movella DOT's CSV: m/s², degrees/s, a counter in us."""
    held = sample_columns()
    lines = ["DeviceTag:,left", "OutputRate:,50Hz", "", "PacketCounter,SampleTimeFine,Acc_X,Acc_Y,Acc_Z,Gyr_X,Gyr_Y,Gyr_Z"]
    for k, row in enumerate(zip(*(held[name] for name in ("ax", "ay", "az", "gx", "gy", "gz")), strict=True)):
        values = [f"{9.80665 * value:.5f}" for value in row[:3]] + [f"{value:.5f}" for value in row[3:]]
        lines.append(",".join([str(k), str(20_000 * k), *values]))
    return "\n".join(lines) + "\n"


def watch_zip() -> dict[str, str]:
    """Sensor Logger's zip of an Apple Watch."""
    held = sample_columns()
    head = [f"{name}{axis}" for name in ("rotationRate", "gravity", "acceleration") for axis in "XYZ"]
    lines = [",".join(["time", "seconds_elapsed", *head])]
    for k, row in enumerate(zip(*(held[name] for name in ("ax", "ay", "az", "gx", "gy", "gz")), strict=True)):
        values = [*np.radians(row[3:]), 0.0, 0.0, -1.0, -row[0], -row[1], 1.0 - row[2]]
        lines.append(
            ",".join([str(1_717_158_322 * 10**9 + 20_000_000 * k), str(0.02 * k), *(f"{value:.5f}" for value in values)])
        )
    return {"WristMotion.csv": "\n".join(lines) + "\n", "HeartRate.csv": "time,bpm\n1,60\n"}


def write_whar(folder: Path, table: Any = None, activities: str | None = None, sessions: str | None = None) -> Path:
    """A cache of whar-datasets, as its version 1 writes it: two sessions of two people; rows of a session are not in order.

    `table`: columns in place of its own."""
    (folder / "metadata").mkdir(parents=True)
    (folder / "sessions").mkdir()
    (folder / "metadata" / "activity_df.csv").write_text(activities or ",activity_id,activity_name\n0,0,walking\n1,1,ironing\n")
    (folder / "metadata" / "session_df.csv").write_text(sessions or ",session_id,subject_id,activity_id\n0,0,0,1\n1,1,4,0\n")
    held = sample_columns(np.arange(600) / 100)
    step = np.arange(1200) % 600
    order = np.r_[np.arange(600)[::-1], 600 + np.arange(600)]
    named = {"hand_acc": ("ax", "ay", "az"), "hand_gyro": ("gx", "gy", "gz")}
    columns: dict[str, Any] = {"timestamp": pa.array((10 * step[order]).astype("datetime64[ms]"))}
    for name, channels in named.items():
        for axis, channel in zip("xyz", channels, strict=True):
            size = 9.80665 if name == "hand_acc" else np.pi / 180
            columns[f"{name}_{axis}"] = pa.array((size * np.asarray(held[channel])[step[order]]).astype(np.float32))
    columns["hand_temp"] = pa.array(np.full(1200, 31.0, np.float32))
    columns["session_id"] = pa.array(np.repeat([0, 1], 600)[order])
    pq.write_table(pa.table(columns if table is None else table), folder / "sessions" / "sessions.parquet")
    return folder


def sketch_text() -> str:
    """A file of one sketch."""
    return (
        '- label: drink\n  sentences: ["A person drinks with the {side} hand."]\n  tempo_s: [2, 3]\n  seconds: 4\n'
        "  phases:\n    - {hand: side}\n    - {hand: mouth, hold: 0.2}\n"
    )


def windows_arrays(**changed: Any) -> dict[str, Any]:
    """Six windows of 50 samples in g and degrees/s, of three people; a key that is changed to None is left out."""
    columns = sample_columns(np.arange(300) / 50)
    samples = np.stack([columns[name] for name in ("ax", "ay", "az", "gx", "gy", "gz")], axis=1).reshape(6, 50, 6)
    data = {"X": samples, "y": np.array([0, 1, 0, 1, 0, 1]), "subject": np.array([3, 3, 5, 5, 8, 8])} | changed
    return {key: value for key, value in data.items() if value is not None}


OPENPACK_START_MS = 1_648_531_521_000  # 2022-03-29 14:25:21 in Japan


def openpack_files(samples: int = 200, user: str = "U0209", session: str = "S0500") -> dict[str, str]:
    """File name -> text of one OpenPack session: two sensors (the second is turned over), three operations."""
    columns = sample_columns(np.arange(samples) * 0.03)
    base = f"openpack/v1.0.0/{user}"
    files = {}
    for device, sign in (("atr01", 1), ("atr02", -1)):
        lines = ["unixtime,acc_x,acc_y,acc_z,gyro_x,gyro_y,gyro_z,quat_w,quat_x,quat_y,quat_z"]
        for k in range(samples):
            values = [sign * columns[name][k] for name in ("ax", "ay", "az", "gx", "gy", "gz")]
            lines.append(",".join([str(OPENPACK_START_MS + 30 * k), *(f"{v:.4f}" for v in values), "1.0,0.0,0.0,0.0"]))
        files[f"{base}/atr/{device}/{session}.csv"] = "\n".join(lines) + "\n"
    operations = ["uuid,user,session,box,id,operation,start,end,actions"]
    for number, (code, name, start, stop) in enumerate(
        [(100, "Picking", "22.143", "24.000"), (300, "Assemble Box", "24.000", "25.500"), (8100, "Null", "25.500", "29.000")]
    ):
        day = "2022-03-29 14:25:"
        operations.append(
            f"op:{number},{user},{session},1,{code},{name},{day}{start}000+09:00,{day}{stop}000+09:00,act:1;act:2"
        )
    files[f"{base}/annotation/openpack-operations/{session}.csv"] = "\n".join(operations) + "\n"
    return files


def openpack_seconds(user: str = "U0102", session: str = "S0500") -> dict[str, str]:
    """The same session as an older release has it: an operation for every second."""
    files = {name: text for name, text in openpack_files(user=user, session=session).items() if "annotation" not in name}
    lines = ["unixtime,user,session,box,operation,action"]
    for second, code in enumerate((100, 100, 300, 300, 8100)):
        lines.append(f"{OPENPACK_START_MS + 1000 * second},{user},{session},1,{code},104")
    return files | {f"openpack/v0.3.0/{user}/annotation/activity-1s/{session}.csv": "\n".join(lines) + "\n"}


def geotec_files(subject: str = "s01", run: str = "01") -> dict[str, str]:
    """File name -> text of one run of GeoTec's watch: 100 Hz, two activities."""
    columns = sample_columns(np.arange(400) / 100)
    lines = ["x_acc,y_acc,z_acc,x_gyro,y_gyro,z_gyro,timestamp,label"]
    for k in range(400):
        values = [9.80665 * columns[name][k] for name in ("ax", "ay", "az")]
        values += [float(np.radians(columns[name][k])) for name in ("gx", "gy", "gz")]
        label = "SEATED" if k < 150 else "STANDING_UP"
        lines.append(",".join([*(f"{v:.6f}" for v in values), str(1_657_544_371_648 + 10 * k), label]))
    return {
        f"DATA/{subject}/{subject}_{run}_sw.csv": "\n".join(lines) + "\n",
        "DATA/subjects_info.csv": "subject_id,age\ns01,54\n",
    }


def mmfit_files(workout: str = "w00", seconds: float = 6.0) -> dict[str, Any]:
    """File name -> array or text of one MM-Fit workout.

    Made to the published layout (the loader at github.com/KDMStromback/mm-fit and descriptions of the files), not from the data:
    float64 npy arrays (samples, 5) of frame, Unix time in ms, x, y, z; m/s² and rad/s; sensors that start apart, at rates near
    100 Hz; labels without header as start frame,end frame,repetitions,exercise at 30 frames/s.
    """
    start_ms, files = 1_571_000_000_000.0, {}
    for number, (name, rate) in enumerate({"sw_l_acc": 100.0, "sw_l_gyr": 99.0, "sw_r_acc": 101.0, "sw_r_gyr": 100.5}.items()):
        clock = 0.013 * number + np.arange(int(seconds * rate)) / rate
        columns = sample_columns(clock)
        if name.endswith("acc"):
            values = 9.80665 * np.stack([columns[axis] for axis in ("ax", "ay", "az")], axis=1)
        else:
            values = np.radians(np.stack([columns[axis] for axis in ("gx", "gy", "gz")], axis=1))
        head = np.stack([100 + np.floor(30 * clock), start_ms + 1000 * clock], axis=1)
        files[f"mm-fit/{workout}/{workout}_{name}.npy"] = np.concatenate([head, values], axis=1)
    files[f"mm-fit/{workout}/{workout}_labels.csv"] = "130,189,10,squats\n220,249,10,lunges\n"
    return files
