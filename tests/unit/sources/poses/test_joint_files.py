"""Bare joints out of npy, JSON, CSV and NTU's skeletons: which frames, whose, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from clips import clip, world_joints
from fuzz.source_files import body_joints, joint_csv, joint_json, ntu_text, skeleton_joints

from m3n.errors import InputError
from m3n.sources.poses.joints import Options, pose_clips
from m3n.sources.shared.pose_rows import TURN_UP

MEDIAPIPE: dict[str, Any] = {"joint_names": "mediapipe33", "fps": 30, "up": "-y", "unit": "m"}
WRISTS = [20, 21]


def rows(file: Path, **options: Any) -> list[dict[str, Any]]:
    found = list(pose_clips(file, Options.model_validate(options)))
    assert all(isinstance(row, dict) for row in found), found
    return found  # type: ignore[return-value]


def landmarks() -> np.ndarray:
    """MediaPipe's world landmarks: y down, the hips' middle at the origin."""
    points = skeleton_joints("mediapipe33") @ TURN_UP["-y"]
    return points - points[:, [23, 24]].mean(1, keepdims=True)


@pytest.mark.parametrize("skeleton", ["smpl22", "smpl24", "h36m17", "coco17", "mediapipe33", "kinect20", "kinect25", "azure32"])
def test_an_npy_of_each_skeleton_gives_the_wrists_that_went_in(tmp_path: Path, skeleton: str) -> None:
    np.save(tmp_path / "a.npy", skeleton_joints(skeleton).astype(np.float32))
    (row,) = rows(tmp_path / "a.npy", joint_names=skeleton, fps=20, up="z", unit="m", smooth_frames=0)
    assert row["fps"] == 20
    assert np.abs(world_joints(row)[:, WRISTS] - body_joints()[:, WRISTS]).max() < 0.05


def test_humanml3d_is_y_up_at_20_fps_with_its_text_and_its_features_are_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "000021.npy", body_joints()[:, :22] @ TURN_UP["y"])
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "000021.txt").write_text("a man waves.#a/DET man/NOUN wave/VERB#0.0#0.0\nsomebody waves#x#0.0#0.0\n")
    settings: dict[str, Any] = {"joint_names": "smpl22", "fps": 20, "up": "y", "unit": "m"}
    (row,) = rows(tmp_path / "000021.npy", texts=tmp_path / "texts", **settings)
    assert (row["clip_id"], row["text"], row["fps"]) == ("joints-000021", "a man waves.", 20)
    np.save(tmp_path / "000021.npy", np.zeros((30, 263)))
    with pytest.raises(InputError, match="HumanML3D's features"):
        rows(tmp_path / "000021.npy", **settings)


def test_mdm_results_are_a_clip_a_motion_cut_to_its_length(tmp_path: Path) -> None:
    motion = np.moveaxis(body_joints()[:, :22] @ TURN_UP["y"], 0, 2)
    results = {"motion": np.stack([motion, motion]), "lengths": np.array([12, 8]), "text": ["a man walks", "a man waves"]}
    np.save(tmp_path / "results.npy", results, allow_pickle=True)  # type: ignore[arg-type]
    first, second = rows(tmp_path / "results.npy", joint_names="smpl22", fps=20, up="y", unit="m")
    assert (first["n_frames"], second["n_frames"]) == (12, 8)
    assert (first["text"], second["text"]) == ("a man walks", "a man waves")


def test_time_stamps_of_a_csv_give_the_rate_and_the_place_of_lost_frames(tmp_path: Path) -> None:
    lines = joint_csv().splitlines()
    file = tmp_path / "a.csv"
    file.write_text("\n".join([*lines[:5], *lines[7:]]) + "\n")  # two frames are lost
    (row,) = rows(file, up="z", unit="m", smooth_frames=0, fps=29.97)
    assert (round(row["fps"], 2), row["n_frames"]) == (29.97, 12)
    assert np.abs(world_joints(row)[:, WRISTS] - body_joints()[:, WRISTS]).max() < 0.03
    with pytest.raises(InputError, match=r"fps is 30 by the time stamps but 60\.0 in the options"):
        rows(file, up="z", unit="m", fps=60)


@pytest.mark.parametrize("form", ["numbered", "long", "bare", "named"])
def test_a_csv_of_mediapipe_is_read_however_its_columns_are_called(tmp_path: Path, form: str) -> None:
    points, file = landmarks(), tmp_path / "a.csv"
    if form == "long":
        lines = ["frame,landmark,x,y,z,visibility"]
        lines += [f"{k},{j},{x},{y},{z},0.9" for k, row in enumerate(points) for j, (x, y, z) in enumerate(row)]
    else:
        title = {"numbered": "{a}{j}", "named": "landmark_{j}_{a}", "bare": ""}[form]
        axes = ("x", "y", "z") if form == "bare" else ("x", "y", "z", "v")
        lines = [] if form == "bare" else [",".join(title.format(a=a, j=j) for j in range(33) for a in axes)]
        lines += [",".join(f"{value:.6f}" for point in row for value in (*point, 0.9)[: len(axes)]) for row in points]
    file.write_text("\n".join(lines) + "\n")
    (row,) = rows(file, **MEDIAPIPE, smooth_frames=0)
    forearm, given = (at[:, 21] - at[:, 19] for at in (world_joints(row), body_joints()))
    assert np.abs(forearm - given).max() < 0.03


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.csv", joint_csv(axes="xy").replace("time_ms", "t"), "has x and y of pelvis but no z: 2-D poses"),
        ("a.csv", "frame,x,y,z\n" + "0,1,2,3\n" * 5, "without a column that says the joint"),
        ("a.csv", joint_csv().replace("0.", "zero", 1), "line 2, column 2: 'zero00' stands where a number belongs"),
        ("a.json", json.dumps([[[1.0, 2.0]] * 17] * 5), "a point holds 2 numbers"),
        ("a.json", json.dumps([[{"x": 1.0, "y": 2.0, "visibility": 0.9}] * 17] * 5), "x and y but no z"),
        ("a.json", "[[1,", "cannot be read as JSON"),
        ("a.skeleton", ntu_text()[:2000], "is the file cut off"),
        ("a.skeleton", ntu_text().replace("\n25\n", "\n24\n", 1), "expected 25 joints"),
    ],
)
def test_what_shows_no_3d_joints_is_refused_with_its_place(tmp_path: Path, name: str, text: str, message: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(InputError, match=message) as caught:
        rows(tmp_path / name, fps=30, up="z", unit="m", joint_names="coco17" if "17" in text[-9:] else None)
    assert name in str(caught.value)


def test_landmarks_of_the_image_are_refused_and_world_landmarks_beside_them_are_taken(tmp_path: Path) -> None:
    def points(of: np.ndarray) -> list[list[dict[str, float]]]:
        return [[dict(zip("xyz", point, strict=True), visibility=0.9) for point in row] for row in of.tolist()]

    image = 0.4 * landmarks() + np.array([0.5, 0.5, 0.0])
    frames = [{"landmarks": i, "worldLandmarks": [w]} for i, w in zip(points(image), points(landmarks()), strict=True)]
    (tmp_path / "a.json").write_text(json.dumps({"fps": 30, "frames": frames}))
    assert len(rows(tmp_path / "a.json", **MEDIAPIPE)) == 1
    (tmp_path / "a.json").write_text(json.dumps({"frames": [{"landmarks": frame["landmarks"]} for frame in frames]}))
    with pytest.raises(InputError, match="landmarks of the image"):
        rows(tmp_path / "a.json", **MEDIAPIPE)


def test_azure_kinect_frames_are_people_by_their_ids(tmp_path: Path) -> None:
    body = (1000 * skeleton_joints("azure32") @ TURN_UP["-y"]).tolist()
    frames = [
        {
            "timestamp_usec": 33333 * k,
            "bodies": [{"body_id": 1, "joint_positions": row}, *([{"body_id": 2, "joint_positions": row}] * (k < 6))],
        }
        for k, row in enumerate(body)
    ]
    (tmp_path / "a.json").write_text(json.dumps({"frames": frames}))
    both = rows(tmp_path / "a.json", joint_names="azure32", up="-y", unit="mm")
    assert [(row["clip_id"], row["n_frames"], row["fps"]) for row in both] == [("joints-a", 12, 30), ("joints-a-2", 6, 30)]


def test_ntu_names_say_person_and_action_and_a_second_body_is_another_person(tmp_path: Path) -> None:
    file = tmp_path / "S001C001P002R001A050.skeleton"
    file.write_text(ntu_text(bodies=2))
    first, second = rows(file)
    assert (first["subject"], second["subject"], first["label"], first["fps"]) == ("P002", "P002+2", "A050", 30)
    assert (
        np.abs(world_joints(first)[:, 21] - world_joints(first)[:, 19] - (body_joints()[:, 21] - body_joints()[:, 19])).max()
        < 0.03
    )


def test_names_of_files_say_who_and_what_and_a_map_names_unknown_joints(tmp_path: Path) -> None:
    (tmp_path / "anna").mkdir()
    text = joint_json().replace('"left_elbow"', '"EL"')
    (tmp_path / "anna" / "wave_01.json").write_text(text)
    settings: dict[str, Any] = {"fps": 30, "up": "z", "unit": "m", "joint_map": {"left_elbow": "EL"}}
    row = clip(*rows(tmp_path, path="{subject}/{label}_*.json", **settings))
    assert (row["subject"], row["label"], row["text"]) == ("anna", "wave", "wave")
    with pytest.raises(InputError, match=r"joint_map\.left_elbow=ELB: no such joint"):
        rows(tmp_path / "anna" / "wave_01.json", **{**settings, "joint_map": {"left_elbow": "ELB"}})
