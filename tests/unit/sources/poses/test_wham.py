"""WHAM's joblib files: one clip per person, z up."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
from clips import clip, stands_upright
from fuzz.source_files import (
    FRAMES,
    wham_person,
)

from m3n.errors import InputError
from m3n.schema import Rejected
from m3n.sources.poses import wham
from m3n.sources.shared.pose_rows import TURN_UP


@pytest.mark.parametrize("compress", [0, 3, ("gzip", 3), ("bz2", 3), ("xz", 1)])
def test_wham_joblib_file_gives_a_clip_per_person_in_a_z_up_world(tmp_path: Path, compress: Any) -> None:
    results: dict[Any, Any] = defaultdict(dict)
    results[0], results[7] = wham_person(), wham_person(np.array([0, 1, 2, 4, 5, 50, 51, 52]))
    joblib.dump(results, tmp_path / "wham_output.pkl", compress=compress)
    rows = [clip(row) for row in wham.pose_clips(tmp_path / "wham_output.pkl", wham.Options(fps=30))]
    assert [row["clip_id"] for row in rows] == ["wham-wham_output-0", "wham-wham_output-7-part1", "wham-wham_output-7-part2"]
    assert [row["n_frames"] for row in rows] == [FRAMES, 6, 3]  # the missing frame 3 is bridged, 6 to 49 split
    assert all(stands_upright(row) for row in rows)
    moved = rows[0]["trans"][-1] - rows[0]["trans"][0]
    np.testing.assert_allclose(moved, (0, -1, 0), atol=1e-6)  # +z of a y-up world
    camera = clip(next(iter(wham.pose_clips(tmp_path / "wham_output.pkl", wham.Options(fps=30, frame="camera")))))
    assert stands_upright(camera)


def test_a_world_is_turned_about_its_origin_not_about_the_body(tmp_path: Path) -> None:
    """The pelvis of SMPL is at J + trans; turned, it must be where the turn takes that point."""
    person = wham_person()
    joblib.dump({0: person}, tmp_path / "w.pkl")
    row = clip(*wham.pose_clips(tmp_path / "w.pkl", wham.Options(fps=30)))
    rest = np.array((-0.0022, -0.2408, 0.0286))  # official neutral SMPL
    np.testing.assert_allclose(row["trans"] + rest, (person["trans_world"] + rest) @ TURN_UP["y"].T, atol=1e-6)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"pose_world": np.zeros((FRAMES, 71), np.float32)}, "pose_world has shape"),
        ({"trans_world": np.zeros((3, 3), np.float32)}, "trans_world has shape"),
        ({"pose_world": np.full((FRAMES, 72), np.nan)}, "pose_world is nan"),
        ({"frame_ids": np.zeros(FRAMES)}, "frame numbers do not increase"),
        ({"frame_ids": np.arange(FRAMES) + 0.5}, "no frame numbers"),
        ({"pose_world": "text"}, "pose_world holds str"),
        ({"betas": [[1], [2]]}, "betas holds list"),
    ],
)
def test_wham_rejects_one_bad_person_and_keeps_the_other(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    joblib.dump({0: wham_person() | change, 1: wham_person()}, tmp_path / "w.pkl")
    bad, good = wham.pose_clips(tmp_path / "w.pkl", wham.Options(fps=30))
    assert isinstance(bad, Rejected)
    assert message in bad.reason
    clip(good)


@pytest.mark.parametrize("kind", [np.int64, np.int32, np.uint8, np.str_, str, int])
@pytest.mark.parametrize("protocol", [2, 4, 5])
def test_ids_of_every_kind_name_their_clips(tmp_path: Path, kind: Any, protocol: int) -> None:
    """Several people's ids come out of NumPy's unique: they are numpy.int64."""
    joblib.dump({kind(0): wham_person(), kind(12): wham_person()}, tmp_path / "w.pkl", protocol=protocol)
    rows = [clip(row) for row in wham.pose_clips(tmp_path / "w.pkl", wham.Options(fps=30))]
    assert [row["clip_id"] for row in rows] == ["wham-w-0", "wham-w-12"]


def test_people_named_by_tuples_or_alike_keep_clips_of_their_own(tmp_path: Path) -> None:
    people = {(0, 1): wham_person(), (0, 2): wham_person(), 1: wham_person(), "1": wham_person()}
    joblib.dump(people, tmp_path / "w.pkl")
    rows = [clip(row) for row in wham.pose_clips(tmp_path / "w.pkl", wham.Options(fps=30))]
    assert [row["clip_id"] for row in rows] == ["wham-w-0-1", "wham-w-0-2", "wham-w-1", "wham-w-1-2"]


def test_a_bad_file_of_a_folder_is_rejected_and_names_say_who_moves(tmp_path: Path) -> None:
    for name, content in (("ann/wave.pkl", {0: wham_person()}), ("ann/bad.pkl", [1, 2])):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        joblib.dump(content, tmp_path / name)
    bad, row = wham.pose_clips(tmp_path, wham.Options(fps=30, path="{subject}/{label}.pkl"))
    assert isinstance(bad, Rejected)
    assert (bad.item, bad.reason) == (
        "ann/bad",
        "bad.pkl: holds no people; expected a dict of subject id -> pose_world, trans_world, ...",
    )
    assert (clip(row)["subject"], row["label"], row["text"]) == ("ann", "wave", "wave")
    with pytest.raises(InputError, match="holds no people"):
        list(wham.pose_clips(tmp_path / "ann" / "bad.pkl", wham.Options(fps=30)))
