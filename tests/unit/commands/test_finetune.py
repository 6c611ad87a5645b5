"""`m3n finetune`: what it refuses, and what it says about how a classifier was trained."""

from __future__ import annotations

import json

from m3n import schema
from m3n.cli import main
from m3n.config import WindowsConfig
from m3n.io import tables
from m3n.training.rehearsal import rehearsal

SHAPE = WindowsConfig(window_s=1.0, hop_s=1.0)


WRIST = ("right_wrist",)


def test_rehearsal_without_clips_is_refused_in_a_line(tmp_path, recording, capsys):
    table = tmp_path / "recordings"
    table.mkdir()
    rows = [recording(f"{who}{label}", subject=who, label=label) for who in "abc" for label in ("knock", "wave")]
    tables.write_table(table, rows, schema.imu_recordings(), rows_per_shard=8)
    assert main(["finetune", str(table), "--out", str(tmp_path / "out"), "rehearse=0.5", "test_subjects=[c]"]) == 2
    assert "rehearse=0.5 needs --clips" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_fine_tuning_from_random_weights_beside_clips_is_called_co_trained(tmp_path, recording, synthetic_clip, capsys):
    """Of the film's clips, those of the held-out subject do not teach."""
    table, clips, out = (tmp_path / name for name in ("recordings", "synthetic", "out"))
    acted = [(who, label) for who in "abc" for label in ("knock", "wave")]
    labelled = [recording(f"{who}{label}", subject=who, label=label, source="film") for who, label in acted]
    played = [synthetic_clip(f"{who}-{label}", 81, 20.0, subject=who, source="film", label=label) for who, label in acted]
    for folder, rows, layout in (
        (table, labelled, schema.imu_recordings()),
        (clips, played, schema.synthetic_clips(("left_wrist", "right_wrist"))),
    ):
        folder.mkdir()
        tables.write_table(folder, rows, layout, rows_per_shard=8)
    given = ["finetune", str(table), "--clips", str(clips), "--out", str(out), "rehearse=0.5", "placements=[right_wrist]"]
    small = ["windows.window_s=1", "windows.hop_s=1", "epochs=1", "min_steps=1", "model.width=16", "model.depth=1"]
    assert main([*given, *small, "test_subjects=[c]"]) == 0, capsys.readouterr().err
    figures = json.loads((out / "metrics.json").read_text())
    assert figures["method"] == "co_trained"
    assert figures["pretraining_sources"] == ["film"]
    assert figures["rehearsed_windows"] == len(rehearsal(clips, SHAPE, WRIST, ["knock", "wave"], {"film": ["a", "b"]}).label)
