"""BVH motion capture: hierarchy and rotations by pybvh, positions by forward kinematics, the body by `m3n.body.joint_fit`.

BVH (Biovision) says neither its unit nor its vertical axis, so both are options; most tools write y up. Joints are recognised
by name (`joint_names`). pybvh refuses position channels below the root, which studios do write; they are taken out of the
text before pybvh reads it and put back into the kinematics: where a joint has them, they replace its OFFSET.

Joint positions do not show the twist of a forearm, but a rig does: `forearm_twist` reads it off. With every rotation at zero
a rig stands in its T-pose, palms down, and there the palm's normal is the axis about which the elbow bends. That axis is
measured in the upper arm over the bent frames; carried by the hand, it points out of the palm, and the angle from the elbow's
axis to it, about the forearm, is the pronation from m3n's neutral (palm facing the other hand when the elbow is bent).
"""

from __future__ import annotations

import re
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from m3n.body.kinematics import joint_transforms
from m3n.body.model import SMPL_JOINTS, load_body
from m3n.config import Positive
from m3n.errors import InputError
from m3n.io.storage import Location
from m3n.schema import Rejected
from m3n.sources.shared.fitted_rows import FittedClip, fitted_clips
from m3n.sources.shared.ingest_notes import Notes
from m3n.sources.shared.joint_names import bones_of, smpl_joints
from m3n.sources.shared.plausibility import PoseOptions, Up
from m3n.sources.shared.pose_files import FileSource, PoseFile, PoseFileOptions, Rows
from m3n.sources.shared.pose_rows import METRES, TURN_UP, FloatArray, misread, numbers, pose_row

SOURCE = "bvh"
_METRES = METRES | {"cmu": 0.0254 / 0.45}  # CMU's skeletons are in inches times 0.45, which conversions keep
_LARGEST = 512 << 20  # bytes
_DEEPEST = 400  # joints; hand-animated creatures have fewer


class Options(PoseFileOptions):
    """Settings of `m3n ingest bvh`."""

    unit: Literal["m", "cm", "mm", "in", "cmu"] | None = Field(
        default=None,
        description="unit of the positions: m, cm, mm, in, or cmu for conversions of CMU's recordings (5.6444 cm); must be given, "
        "or scale as metres per unit of the file",
    )
    scale: Positive | None = Field(default=None, description="positions are multiplied by it, beside the unit; null: 1")
    up: Up = Field(default="y", description="axis that points up")
    joint_map: dict[str, str] = Field(
        default={}, description="joint_map.<SMPL joint>=<the rig's name of it>, for names that are not known, as left_elbow=EL"
    )
    text: str | None = Field(default=None, description="what every clip shows, in words; null: the words of its file name")
    subject: str | None = Field(default=None, description="who moves; null: that of path=, or the folder a file lies in")
    forearm_twist: Literal["hand", "neutral"] = Field(
        default="neutral", description="'hand': forearms turn with the rig's hands (its rest pose must have the palms down)"
    )
    smooth_frames: float = Field(
        default=0.0, ge=0, le=1000, description="standard deviation of the Gaussian over the joints, before the fit [frames]"
    )

    def vertical(self) -> str:
        """The file's axis that is taken to point up."""
        return self.up


@dataclass(frozen=True)
class Motion:
    """A BVH file: joint `names` (J,), `positions` (F, J, 3) in the file's unit and axes, world `rotations` (F, J, 3, 3)."""

    names: list[str]
    positions: FloatArray
    rotations: FloatArray
    fps: float


def pose_clips(path: Location, options: Options, notes: Notes | None = None) -> Rows:
    """Rows of `pose_clips`, one per bvh file: `path` itself, or every one in a folder, where a bad one is Rejected.

    Positions in metres are the file's times its unit times `scale`; a scale alone is metres per unit of the file. Raises InputError
    where neither is given, where there is no bvh file, and for a single file that cannot be read.
    """
    return FILES.rows(path, options, notes)


def _check_unit(path: Location, options: Options) -> None:
    if options.unit is None and options.scale is None:
        raise InputError(f"{path}: BVH files do not say their unit; give unit=m, cm, mm, in or cmu, or scale=<metres per unit>")


def _rows(one: PoseFile, options: Options, notes: Notes) -> Rows:
    said, file, name = one.said(options), one.file, one.name
    motion = read_motion(_text_of(file), file.name)
    words = " ".join(re.findall(r"[^\W\d_]{2,}", Path(name).name)).lower() if said["text"] is None else said["text"]
    yield from fitted_rows(
        motion, file.name, f"{SOURCE}-{name}", options, source=SOURCE,
        scale_m=_METRES[options.unit or "m"] * (options.scale or 1.0), declared=options.unit or "m",
        forearm_twist=options.forearm_twist == "hand", smooth_frames=options.smooth_frames, text=words,
        subject=said["subject"] or (Path(name).parent.name or None), label=said["label"], joint_map=options.joint_map,
    )  # fmt: skip


FILES = FileSource((".bvh",), "a BVH file or a folder of them", _rows, _check_unit)


def fitted_rows(
    motion: Motion,
    where: str,
    clip_id: str,
    options: PoseOptions,
    *,
    source: str,
    scale_m: float,
    declared: str,
    forearm_twist: bool,
    smooth_frames: float,
    text: str,
    subject: str | None,
    label: str | None,
    joint_map: Mapping[str, str] | None = None,
) -> Iterator[dict[str, Any] | Rejected]:
    """Rows of `pose_clips` fitted to a motion, whose unit is `scale_m` metres: one, or several where frames had to be cut out.

    `declared`: the unit as a user gave it, for messages. Raises InputError as `fitted_clips` does.
    """
    turn = TURN_UP[options.vertical()]
    world = scale_m * motion.positions @ turn.T
    joints, names = smpl_joints(world, motion.names, where, joint_map)
    for found in fitted_clips(where, clip_id, joints, names, motion.fps, options, smooth_frames, declared=declared):
        if not isinstance(found, FittedClip):
            yield found
            continue
        poses = found.fit.poses.astype(np.float64)
        if forearm_twist:
            part = found.frames
            rig = turn @ motion.rotations[part], world[part], bones_of(motion.names, joint_map)
            poses = _with_forearm_twist(poses, *rig, found.bridged)
        yield pose_row(
            found.clip_id, source, motion.fps, poses, found.fit.trans, found.fit.betas, subject=subject, text=text, label=label,
            repairs=found.repairs, file=where,
        )  # fmt: skip


def read_motion(text: str, where: str) -> Motion:
    """The motion in a BVH text. Raises InputError, naming `where`, for anything that is not one, and without pybvh."""
    try:
        import pybvh  # type: ignore[import-untyped]
    except ImportError:
        raise InputError("BVH files are read with pybvh: run `pip install pybvh` (or `pip install m3n[data]`)") from None
    text, inner = _without_inner_positions(text, where)
    try:
        with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            file = Path(folder) / "motion.bvh"
            file.write_text(text, encoding="utf-8")
            read = pybvh.read_bvh_file(file, world_up="+y")
            if inner is not None:  # the rewritten text holds only the first frame
                read = pybvh.Bvh(read.nodes, inner.root, np.deg2rad(inner.angles_deg), read.frame_time, world_up="+y")
            _, local = read.to_rotmat()
    except Exception as error:  # a damaged file can fail in any way at all
        said = misread(error) if type(error) is ValueError else "its hierarchy or motion is damaged"
        reason = re.sub(r"\s*(in|from)( file)? \S*motion\.bvh", "", said)
        raise InputError(f"{where}: not a BVH file that pybvh can read ({reason})") from error
    moved = {} if inner is None else inner.moved
    joints = [node for node in read.nodes if not node.is_end_site()]
    place = {id(node): k for k, node in enumerate(joints)}
    parents = [-1 if node.parent is None else place[id(node.parent)] for node in joints]
    frames = len(local)
    if len(joints) > _DEEPEST:
        raise InputError(f"{where}: {len(joints)} joints, over the limit of {_DEEPEST}")
    local = numbers(where, "the rotations", np.asarray(local), (None, len(joints), 3, 3))
    shifts = np.empty((frames, len(joints), 3))
    for k, node in enumerate(joints):
        shifts[:, k] = moved.get(k, read.root_pos if k == 0 else np.asarray(node.offset, np.float64))
    shifts = numbers(where, "the positions", shifts, (None, len(joints), 3))
    rotations, positions = np.empty_like(local), np.empty_like(shifts)
    for k, parent in enumerate(parents):
        if parent < 0:
            rotations[:, k], positions[:, k] = local[:, k], shifts[:, k]
        else:
            rotations[:, k] = rotations[:, parent] @ local[:, k]
            positions[:, k] = positions[:, parent] + np.einsum("fij,fj->fi", rotations[:, parent], shifts[:, k])
    fps = 1.0 / float(read.frame_time)
    if not 1.0 <= fps <= 10_000.0:
        raise InputError(f"{where}: the frame time is {read.frame_time} s, expected 1 to 10,000 frames per second")
    return Motion([str(node.name) for node in joints], positions, rotations, fps)


def _text_of(file: Path) -> str:
    try:
        if file.stat().st_size > _LARGEST:
            raise InputError(f"{file.name}: over {_LARGEST >> 20} MiB; split it")
        return file.read_bytes().decode("utf-8", "replace")
    except OSError as error:
        raise InputError(f"{file}: cannot be read ({error.strerror})") from error


@dataclass(frozen=True)
class _Inner:
    """The frames of a file whose joints have positions of their own: `root` (F, 3), `angles_deg` (F, J, 3) as its channels are
    ordered, and `moved`: joint number -> (F, 3)."""

    root: FloatArray
    angles_deg: FloatArray
    moved: dict[int, FloatArray]


def _without_inner_positions(text: str, where: str) -> tuple[str, _Inner | None]:
    """The text if it has position channels at the root only; else a text that has, with its first frame, and all of the frames."""
    head, found, tail = text.partition("MOTION")
    if not found or "HIERARCHY" not in head:
        raise InputError(f"{where}: not a BVH file: HIERARCHY or MOTION is missing")
    listed = [line.split()[1:] for line in re.findall(r"^\s*CHANNELS[^\n]*", head, re.MULTILINE)]
    wrong = next((" ".join(line) for line in listed if not line or line[0] != str(len(line) - 1)), None)
    if wrong is not None:
        raise InputError(f"{where}: 'CHANNELS {wrong}' does not list as many channels as it says")
    channels = [line[1:] for line in listed]
    places = [[k for k, name in enumerate(names) if name.lower().endswith("position")] for names in channels]
    if not any(places[1:]):
        return text, None
    lines = tail.strip().splitlines()
    start = next((n for n, line in enumerate(lines) if line.split()[:2] == ["Frame", "Time:"]), None)
    try:
        if start is None:
            raise ValueError("Frame Time is missing")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            table = np.loadtxt(lines[start + 1 :], ndmin=2)
        if table.shape[1] != sum(map(len, channels)):
            raise ValueError(f"{table.shape[1]} values a frame for {sum(map(len, channels))} channels")
        told = [int("".join(line.split()[1:])) for line in lines[:start] if line.split()[:1] == ["Frames:"]]
        if told and told[-1] != len(table):
            raise ValueError(f"{told[-1]} frames are declared, {len(table)} follow")
    except ValueError as error:
        raise InputError(f"{where}: not a BVH file that can be read ({misread(error)})") from error
    moved, turns, column, root = {}, [], 0, []
    for k, (names, own) in enumerate(zip(channels, places, strict=True)):
        if k == 0:
            root = own
        elif own:
            axes = {names[place][0].lower(): column + place for place in own}
            if sorted(axes) != ["x", "y", "z"] or len(own) != 3:
                raise InputError(f"{where}: joint {k} has some position channels but not all three")
            moved[k] = table[:, [axes[axis] for axis in "xyz"]]
        turns += [column + place for place in range(len(names)) if place not in own]
        column += len(names)
    if len(root) != 3 or len(turns) != 3 * len(channels):
        raise InputError(f"{where}: expected three position channels at the root and three rotation channels at every joint")

    numbered = iter(range(len(channels)))

    def rewritten(match: re.Match[str]) -> str:
        k = next(numbered)
        names = [name for place, name in enumerate(channels[k]) if not k or place not in places[k]]
        return f"{match[1]}CHANNELS {len(names)} {' '.join(names)}"

    head = re.sub(r"^(\s*)CHANNELS[^\n]*", rewritten, head, flags=re.MULTILINE)
    above = ["Frames: 1" if line.split()[:1] == ["Frames:"] else line for line in lines[: start + 1]]
    first = " ".join(map(repr, table[0, sorted(root + turns)].tolist()))
    return "\n".join([f"{head}MOTION", *above, first, ""]), _Inner(
        table[:, root], table[:, turns].reshape(len(table), -1, 3), moved
    )


def _with_forearm_twist(
    poses: FloatArray, rotations: FloatArray, joints: FloatArray, place: dict[str, int], bridged: NDArray[np.bool_]
) -> FloatArray:
    """Poses (F, 24, 3) whose forearms are turned as the rig's hands are; sides that the rig lacks stay neutral."""
    from scipy.ndimage import gaussian_filter1d
    from scipy.spatial.transform import Rotation

    turned = poses.copy()
    fitted, _ = joint_transforms(load_body("smpl"), poses, np.zeros((len(poses), 3)))
    for side in ("left", "right"):
        if any(f"{side}_{part}" not in place for part in ("shoulder", "elbow", "wrist")):
            continue
        shoulder, elbow, wrist = (place[f"{side}_{part}"] for part in ("shoulder", "elbow", "wrist"))
        along, upper = _unit(joints[:, wrist] - joints[:, elbow]), _unit(joints[:, elbow] - joints[:, shoulder])
        bend = np.where(bridged[:, None], 0.0, np.cross(upper, along))
        hinge = np.einsum("fji,fj->i", rotations[:, shoulder], bend)  # in the upper arm's frame, weighted by the bend
        if np.linalg.norm(hinge) < 0.05 * len(poses):
            continue  # the elbow hardly bends in this clip: its axis is not known
        palm = rotations[:, wrist] @ _unit(hinge)
        # m3n's neutral: what the fit gives the forearm; at rest flexion is about -y on the left and +y on the right.
        neutral = fitted[:, SMPL_JOINTS.index(f"{side}_elbow")] @ np.array([0.0, -1.0 if side == "left" else 1.0, 0.0])
        side_axis = np.cross(along, neutral)
        angle = np.arctan2((palm * side_axis).sum(-1), (palm * neutral).sum(-1))
        if bridged.any():  # what the rig shows in these frames is no part of the motion
            frames = np.arange(len(angle))
            angle[bridged] = np.interp(frames[bridged], frames[~bridged], np.unwrap(angle[~bridged]))
        angle = np.unwrap(angle)
        angle = gaussian_filter1d(angle - 2 * np.pi * np.round(np.median(angle) / (2 * np.pi)), 1.0, mode="nearest")
        lower = SMPL_JOINTS.index(f"{side}_elbow")
        own = np.einsum("fji,fj->fi", fitted[:, lower], along)  # the forearm's direction in its own frame
        local = Rotation.from_rotvec(poses[:, lower]) * Rotation.from_rotvec(angle[:, None] * own)
        turned[:, lower] = local.as_rotvec()
    return turned


def _unit(vectors: FloatArray) -> FloatArray:
    length: FloatArray = np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-12)
    return vectors / length
