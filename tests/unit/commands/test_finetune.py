"""`m3n finetune`: what it refuses, and what it says about how a classifier was trained."""

from __future__ import annotations

import json

import numpy as np
import pytest

from m3n import schema
from m3n.cli import main
from m3n.commands.finetune_windows import unlabelled_windows
from m3n.config import ModelConfig, WindowsConfig
from m3n.data.windows import Normaliser, cut_recordings
from m3n.io import tables
from m3n.models import make_imu_tower
from m3n.training import checkpoint as checkpoints
from m3n.training.checkpoint import Checkpoint
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


@pytest.mark.parametrize(("start", "missing"), [("co_trained", "--clips"), ("rehearsed", "--checkpoint")])
def test_a_start_that_lacks_what_it_starts_from_is_refused_in_a_line(tmp_path, recording, capsys, start, missing):
    table = tmp_path / "recordings"
    table.mkdir()
    rows = [recording(f"{who}{label}", subject=who, label=label) for who in "abc" for label in ("knock", "wave")]
    tables.write_table(table, rows, schema.imu_recordings(), rows_per_shard=8)
    assert main(["finetune", str(table), "--out", str(tmp_path / "out"), f"start={start}", "test_subjects=[c]"]) == 2
    assert f"start={start} needs {missing}" in capsys.readouterr().err


def test_the_start_is_decided_without_the_held_out_people(tmp_path, recording, synthetic_clip):
    """The test subject's samples and clips change, and neither the choice nor a bit of its evidence does."""
    small = ["windows.window_s=1", "windows.hop_s=1", "epochs=1", "min_steps=12", "model.width=16", "model.depth=1", "lr=1e-2"]
    layout = schema.synthetic_clips(("left_wrist", "right_wrist"))
    found = []
    for number, (gain, acted) in enumerate(((1.0, "abc"), (3.0, "abct"))):
        folder = tmp_path / str(number)
        rows = [
            recording(f"{who}{label}{i}", subject=who, label=label, source="film")
            for who in "abct" for label in ("knock", "wave") for i in range(2)
        ]  # fmt: skip
        for row in rows:
            if row["subject"] == "t":
                row["imu_right_wrist"] = np.float32(gain) ** np.arange(row["n_samples"])[:, None] % 3 + row["imu_right_wrist"]
        clips = [
            synthetic_clip(f"{who}-{label}", 81, 20.0, subject=who, source="film", label=label)
            | {"imu_right_wrist": recording("", seconds=5.0, rate_hz=60.0, label=label)["imu_right_wrist"][:241]}
            for who in acted for label in ("knock", "wave")
        ]  # fmt: skip
        for name, table, kind in (("recordings", rows, schema.imu_recordings()), ("synthetic", clips, layout)):
            (folder / name).mkdir(parents=True)
            tables.write_table(folder / name, table, kind, rows_per_shard=32)
        out = folder / "out"
        given = ["finetune", str(folder / "recordings"), "--clips", str(folder / "synthetic"), "--out", str(out)]
        assert main([*given, *small, "test_subjects=[t]", "placements=[right_wrist]"]) == 0
        figures = json.loads((out / "metrics.json").read_text())
        evidence = figures["start_evidence"] | {"elapsed_s": 0}
        found.append((figures["start"], figures["start_decided_by"], evidence, figures["test_macro_f1"]))
    assert found[0][:3] == found[1][:3]
    assert found[0][1] == "scores"
    assert set(found[0][2]["macro_f1"]) == {"scratch", "co_trained"}


def test_windows_without_a_label_are_those_of_no_label_and_beyond_the_budget(recording):
    parts = [
        {"start_s": 0.0, "stop_s": 2.0, "label": "wave", "text": ""},
        {"start_s": 3.0, "stop_s": 4.0, "label": "null", "text": ""},
    ]
    rows = [
        recording("bare", label=None, segments=None),
        recording("partly", label=None, segments=parts),
        recording("budgeted", label="wave"),
        recording("beyond", label="wave"),
    ]
    labelled = cut_recordings(rows, SHAPE, WRIST, ignore=["null"])
    drawn = labelled.subset(np.array([labelled.recording_ids[r] != "beyond" for r in labelled.recording]))
    found = unlabelled_windows(rows, SHAPE, drawn, ["null"])
    places = sorted((found.recording_ids[r], t) for r, t in zip(found.recording, found.start_s.tolist(), strict=True))
    everywhere = [0.0, 1.0, 2.0, 3.0]
    assert places == [*(("bare", t) for t in everywhere), *(("beyond", t) for t in everywhere), ("partly", 2.0)]


def test_labels_that_were_pretrained_on_and_an_encoder_that_cannot_be_told_are_said_in_a_line_each(tmp_path, recording, caplog):
    table, checkpoint, out = (tmp_path / name for name in ("recordings", "pretrained", "out"))
    architecture = ModelConfig(width=16, depth=1, embedding=8)
    tower = make_imu_tower(["right_wrist"], architecture.model_dump())
    found = Checkpoint(
        "multi3net", {f"imu.{name}": value for name, value in tower.state_dict().items()}, architecture, SHAPE, ["right_wrist"],
        Normaliser(5.7, 2.0), subjects={"test": ["a", "c"]}, labelled_subjects={"test": ["a", "c"]},
    )  # fmt: skip
    for folder in (table, checkpoint):
        folder.mkdir()
    checkpoints.save(checkpoint, found)
    rows = [recording(f"{who}{label}", subject=who, label=label) for who in "abc" for label in ("knock", "wave")]
    tables.write_table(table, rows, schema.imu_recordings(), rows_per_shard=8)
    given = [
        "finetune",
        str(table),
        "--checkpoint",
        str(checkpoint),
        "--out",
        str(out),
        "epochs=1",
        "min_steps=1",
        "start=pretrained",
    ]
    assert main([*given, "test_subjects=[c]"]) == 2
    assert main([*given, "test_subjects=[c]", "allow_seen=true", "mounting_unknown=true"]) == 0
    (said,) = [line for line in caplog.messages if "labelled recordings" in line]
    assert "learned from labelled recordings of c: their scores say nothing" in said
    assert [line for line in caplog.messages if "pretrained without mounting.unknown" in line]
    assert json.loads((out / "metrics.json").read_text())["test_subjects_whose_labels_were_pretrained_on"] == ["c"]
