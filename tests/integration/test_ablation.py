"""`m3n report ablation`: a table of what each loss earns, made cell by cell."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from m3n import schema
from m3n.cli import main
from m3n.io import tables


@pytest.fixture
def recordings(recording, tmp_path) -> Path:
    folder = tmp_path / "recordings"
    folder.mkdir()
    rows = [
        recording(f"{who}-{label}", subject=who, source="seglearn_watch", label=label)
        for who in ("w1", "w2")
        for label in ("pendulum", "abduction")
    ]
    tables.write_table(folder, rows, schema.imu_recordings(), rows_per_shard=4)
    return folder


def test_a_cell_is_made_once_and_again_only_where_its_settings_change(corpus, recordings, tmp_path, capsys):
    clips = corpus / "synthetic"
    someone = next(tables.rows(tables.read_shard(tables.shard_paths(clips)[0], schema.POSE_CLIPS)))["subject"]
    quick = ["optim.epochs=1", "windows.hop_s=4", "model.width=16", "model.depth=1", "workers=1"]
    arguments = ["report", "ablation", str(clips), str(recordings), "--held-out", someone, "--held-out", "w2"]
    arguments += ["--out", str(tmp_path / "out"), "--variant", "imu_pose alone", *quick]
    assert main(arguments) == 0
    text = (tmp_path / "out" / "ablation.md").read_text()
    cell = tmp_path / "out" / "cells" / "imu_pose-alone-seed0" / "cell.json"
    assert "imu_pose alone" in text
    assert "optim.epochs=1" in text
    figures = json.loads(cell.read_text())["figures"]
    assert (figures["clip_subjects"], figures["recording_subjects"]) == ([someone], ["w2"])
    made, checkpoint = cell.stat().st_mtime_ns, cell.parent / "pretrain" / "model.safetensors"
    trained = checkpoint.stat().st_mtime_ns
    assert main(arguments) == 0
    assert cell.stat().st_mtime_ns == made
    cell.unlink()  # as if the evaluation had been interrupted: what was trained is trained
    assert main(arguments) == 0
    assert json.loads(cell.read_text())["figures"]["retrieval"] == figures["retrieval"]
    assert checkpoint.stat().st_mtime_ns == trained
