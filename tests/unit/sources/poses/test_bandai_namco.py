"""Bandai Namco's file names give label and sentence."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest
from clips import clip
from fuzz.source_files import (
    BENT,
    write_bvh,
)

from m3n.errors import InputError
from m3n.schema import Rejected
from m3n.sources.poses import bandai_namco


def test_bandai_namco_names_give_label_and_text_and_bad_files_are_rejected(tmp_path: Path) -> None:
    good = write_bvh(tmp_path / "good.bvh", BENT, inner=True).read_text()
    archive = tmp_path / "bandai.zip"
    with zipfile.ZipFile(archive, "w") as made:
        made.writestr("d/data/dataset-2_wave-left-hand_tired_001.bvh", good)
        made.writestr("d/data/dataset-1_walk_happy_002.bvh", good[: len(good) // 2])
        made.writestr("d/data/dataset-1_walk_happy_002.json", "{}")
    bad, row = bandai_namco.pose_clips(archive, bandai_namco.Options())
    assert isinstance(bad, Rejected)
    assert "dataset-1_walk_happy_002.bvh" in bad.reason
    row = clip(row)
    assert (row["clip_id"], row["label"]) == ("bandai_namco-dataset-2_wave-left-hand_tired_001", "wave left hand")
    assert "left" in row["text"]
    with pytest.raises(InputError, match="no content 'swim'"):
        list(bandai_namco.pose_clips(archive, bandai_namco.Options(contents=["swim"])))
