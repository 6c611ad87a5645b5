"""ROMP's results: a clip per track, or per folder of images."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from clips import clip, stands_upright
from fuzz.source_files import (
    romp_image,
)

from m3n.schema import Rejected
from m3n.sources.poses import romp


def test_romp_video_gives_a_clip_per_track_and_a_folder_of_images_one_clip(tmp_path: Path) -> None:
    video = {f"frames/{k:08d}.png": romp_image(2, [4, 9]) for k in range(5)}
    np.savez(tmp_path / "video_results.npz", results=np.array(video, dtype=object))
    rows = [clip(row) for row in romp.pose_clips(tmp_path / "video_results.npz", romp.Options(fps=25))]
    assert [row["clip_id"] for row in rows] == ["romp-video_results-4", "romp-video_results-9"]
    assert all(stands_upright(row) for row in rows)
    folder = tmp_path / "images"
    folder.mkdir()
    for k in (1, 2, 4):
        np.savez(folder / f"{k:06d}.npz", results=np.array(romp_image(), dtype=object))
    (row,) = romp.pose_clips(folder, romp.Options(fps=25))
    assert clip(row)["n_frames"] == 4


def test_romp_people_that_cannot_be_told_apart_and_single_images_are_rejected(tmp_path: Path) -> None:
    for name, results, message in (
        ("two", {"a1.png": romp_image(2), "a2.png": romp_image(2)}, "without track_ids"),
        ("one", romp_image(), "seen in 1 frame"),
        ("bad", {"a1.png": {"smpl_thetas": 1}, "a2.png": romp_image()}, "cam_trans missing"),
    ):
        np.savez(tmp_path / f"{name}.npz", results=np.array(results, dtype=object))
        (row,) = romp.pose_clips(tmp_path / f"{name}.npz", romp.Options(fps=25))
        assert isinstance(row, Rejected)
        assert message in row.reason


def test_images_with_long_paths_are_all_read(tmp_path: Path) -> None:
    folder = "/home/someone/projects/a_dataset_with_a_long_name/videos/frames_of_subject_one"
    video = {f"{folder}/{k:06d}.png": romp_image() for k in range(6)}
    np.savez(tmp_path / "video_results.npz", results=np.array(video, dtype=object))
    (row,) = romp.pose_clips(tmp_path / "video_results.npz", romp.Options(fps=25))
    assert clip(row)["n_frames"] == 6


def test_images_of_two_folders_are_two_clips(tmp_path: Path) -> None:
    for video in ("a", "b"):
        (tmp_path / "in" / video).mkdir(parents=True)
        for k in range(3):
            np.savez(tmp_path / "in" / video / f"{k:06d}.npz", results=np.array(romp_image(), dtype=object))
    rows = [clip(row) for row in romp.pose_clips(tmp_path / "in", romp.Options(fps=25))]
    assert [(row["clip_id"], row["n_frames"]) for row in rows] == [("romp-in/a", 3), ("romp-in/b", 3)]
