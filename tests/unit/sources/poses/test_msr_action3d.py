"""MSR Action3D's text files become labelled clips."""

from __future__ import annotations

from pathlib import Path

import pytest
from clips import clip, stands_upright
from fuzz.source_files import (
    write_msr,
)

from m3n.errors import InputError
from m3n.schema import Rejected
from m3n.sources.poses import bandai_namco, msr_action3d


def test_msr_file_becomes_a_clip_with_a_label_and_a_sentence(tmp_path: Path) -> None:
    row = clip(*msr_action3d.pose_clips(write_msr(tmp_path / "msr"), msr_action3d.Options()))
    assert (row["clip_id"], row["subject"], row["label"]) == ("msr_action3d-a05_s01_e02", "s01", "forward punch")
    assert row["fps"] == 15.0
    assert "punch" in row["text"] or "fist" in row["text"] or "arm" in row["text"] or "boxes" in row["text"]
    assert stands_upright(row)


def test_msr_empty_damaged_and_foreign_files_are_rejected_with_their_name(tmp_path: Path) -> None:
    folder = write_msr(tmp_path / "msr")
    (folder / "a13_s09_e02_skeleton3D.txt").write_text("0 0 0 0\n" * 40)
    (folder / "a01_s01_e01_skeleton3D.txt").write_text("1 2 3 1\n" * 39)
    (folder / "a01_s01_e02_skeleton3D.txt").write_text("1 2 nan 1\n" * 40)
    (folder / "a01_s01_e03_skeleton3D.txt").write_bytes(b"\xff\x00junk\n")
    (folder / "a02_s01_e01_skeleton3D.txt").write_text("")
    rows = list(msr_action3d.pose_clips(folder, msr_action3d.Options()))
    rejected = {row.item: row.reason for row in rows if isinstance(row, Rejected)}
    assert len(rejected) == 5
    assert "every position is zero" in rejected["msr_action3d-a13_s09_e02"]
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="expected names like"):
        list(msr_action3d.pose_clips(tmp_path / "empty", msr_action3d.Options()))


def test_every_msr_and_bandai_class_has_at_least_four_sentences() -> None:
    for action in msr_action3d._actions().values():
        assert len(set(action["texts"])) >= 4
    assert len(msr_action3d._actions()) == 20
    table = bandai_namco._texts()
    assert all(len(set(texts)) >= 4 for texts in table["contents"].values())
    some = {bandai_namco.sentence(f"clip{k}", "walk", "tired") for k in range(40)}
    assert len(some) >= 4
    assert bandai_namco.sentence("x", "juggle", "odd").endswith(".")
