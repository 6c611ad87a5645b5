"""UI-PRMD's text files become labelled clips, with sentences that name the arm that moves."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from clips import clip, stands_upright
from fuzz.source_files import body_markers, ui_prmd_text

from m3n.errors import InputError
from m3n.schema import Rejected
from m3n.sources.poses import ui_prmd
from m3n.sources.shared.ingest_notes import Notes

OPTIONS = ui_prmd.Options()


def raising(arm: str, frames: int = 40) -> str:
    """Somebody who stands and raises one arm."""
    poses = np.zeros((frames, 24, 3))
    poses[:, 0] = (np.pi / 2, 0, 0)
    poses[:, 16, 2], poses[:, 17, 2] = -1.2, 1.2
    poses[:, 18, 1], poses[:, 19, 1] = -0.3, 0.3
    up = np.linspace(1.2, -0.3, frames)
    poses[:, 16 if arm == "left" else 17, 2] = -up if arm == "left" else up
    rows = 1000 * body_markers(poses, np.tile([0.5, 0.5, 1.0], (frames, 1))).reshape(frames, -1)
    return "".join(",".join(f"{value:.1f}" for value in row) + "\n" for row in rows)


@pytest.mark.parametrize("arm", ["left", "right"])
def test_a_file_becomes_a_clip_that_says_which_arm_moves(tmp_path: Path, arm: str) -> None:
    (tmp_path / "m07_s03_e02_positions.txt").write_text(raising(arm))
    (row,) = ui_prmd.pose_clips(tmp_path, OPTIONS)
    row = clip(row)
    assert (row["clip_id"], row["subject"], row["label"]) == ("ui_prmd-m07_s03_e02", "s03", "shoulder abduction")
    assert row["fps"] == 100.0
    assert arm in row["text"]
    assert stands_upright(row)


def test_damaged_files_are_rejected_with_file_line_and_marker(tmp_path: Path) -> None:
    lines = ui_prmd_text().splitlines()
    for name, changed in (
        ("m01_s01_e01", [*lines[:5], lines[5][:100]]),
        ("m01_s01_e02", [*lines[:3], lines[3].replace(lines[3].split(",")[4], "1x2", 1)]),
        ("m01_s01_e03", [",".join(["0.0"] * 117)] * 9),
        ("m01_s01_e04", [lines[0]]),
        ("m01_s01_e05", lines),
    ):
        (tmp_path / f"{name}_positions.txt").write_text("\n".join(changed))
    rows = list(ui_prmd.pose_clips(tmp_path, OPTIONS))
    reasons = {row.item[-3:]: row.reason for row in rows if isinstance(row, Rejected)}
    assert "m01_s01_e01_positions.txt, line 6: " in reasons["e01"]
    assert "expected 117" in reasons["e01"]
    assert "line 4, column 5 (RFHD y): '1x2' stands where a number belongs" in reasons["e02"]
    assert "no marker is seen" in reasons["e03"]
    assert "has 1 lines" in reasons["e04"]
    assert len(rows) == 5
    assert clip(rows[-1])["text"]


def test_a_marker_lost_for_a_whole_file_is_found_by_the_persons_other_files_and_counted(tmp_path: Path) -> None:
    rows = np.array([line.split(",") for line in ui_prmd_text().splitlines()])
    whole = "\n".join(map(",".join, rows))
    at = 3 * ui_prmd.MARKERS.index("LASI")
    rows[:, at : at + 3] = "0.0"
    (tmp_path / "m07_s01_e01_positions.txt").write_text("\n".join(map(",".join, rows)))
    (tmp_path / "m07_s01_e02_positions.txt").write_text(whole)
    notes = Notes()
    lost, full = (clip(row) for row in ui_prmd.pose_clips(tmp_path, OPTIONS, notes))
    np.testing.assert_allclose(lost["poses"], full["poses"], atol=0.01)
    assert list(notes.figures().values()) == [12]
    (tmp_path / "m07_s01_e02_positions.txt").unlink()
    (alone,) = ui_prmd.pose_clips(tmp_path, OPTIONS)
    assert isinstance(alone, Rejected)
    assert "left_hip" in alone.reason


def test_a_wrist_without_one_of_its_markers_keeps_a_neutral_twist_and_is_counted(tmp_path: Path) -> None:
    rows = np.array([line.split(",") for line in ui_prmd_text().splitlines()])
    at = 3 * ui_prmd.MARKERS.index("LWRB")
    rows[:, at : at + 3] = "0.0"
    (tmp_path / "m07_s01_e01_positions.txt").write_text("\n".join(map(",".join, rows)))
    notes = Notes()
    (row,) = ui_prmd.pose_clips(tmp_path, OPTIONS, notes)
    assert stands_upright(clip(row))
    assert notes.figures() == {"frames without one of a wrist's two markers (no forearm twist)": 12}


def test_foreign_folders_and_broken_zips_are_one_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"expected names like m01_s01_e01_positions\.txt"):
        list(ui_prmd.pose_clips(tmp_path, OPTIONS))
    (tmp_path / "ui.zip").write_bytes(b"PK\x03\x04 cut off")
    with pytest.raises(InputError, match=r"ui\.zip: damaged, or not a zip"):
        list(ui_prmd.pose_clips(tmp_path / "ui.zip", OPTIONS))


def test_every_movement_has_at_least_four_sentences_and_one_sided_ones_name_the_side() -> None:
    movements = ui_prmd._movements()
    assert len(movements) == 10
    for number, movement in movements.items():
        assert len(set(movement["texts"])) >= 4
        assert all(("{side}" in text) == (number in (2, 6, 7, 8, 9, 10)) for text in movement["texts"])
