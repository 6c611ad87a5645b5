"""`m3n bench ablation`: a table of what each objective earns, made cell by cell."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import pytest

from benchmarks import ablation
from m3n import schema
from m3n.config import LossConfig, PretrainConfig, resolve
from m3n.errors import InputError
from m3n.io import tables


def test_a_loss_alone_is_the_only_one_with_a_weight():
    found = ablation.variants()
    assert set(found) == {"all", "paper", *(f"{name} alone" for name in LossConfig().weights)}
    weights = resolve(PretrainConfig, "pretrain", *found["imu_pose alone"]).loss.weights
    assert {name: weight for name, weight in weights.items() if weight} == {"imu_pose": 1}
    assert resolve(PretrainConfig, "pretrain", *found["all"]) == PretrainConfig()


def test_a_table_holds_means_deviations_and_chance():
    cells = [{"zero_shot_recording_macro_f1": f1, "chance_recording_macro_f1": 0.25} for f1 in (0.4, 0.6)]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in ablation.table({"all": cells}).splitlines()]
    assert rows[0][:3] == ["objectives", "zero-shot F1", "kNN F1"]
    assert rows[2][:3] == ["all", "0.500 ± 0.141", "-"]
    assert rows[3][:3] == ["chance", "0.250", "0.250"]


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
    arguments = [
        "--clips",
        str(clips),
        "--recordings",
        str(recordings),
        "--held-out",
        someone,
        "w2",
        "--out",
        str(tmp_path / "out"),
    ]
    arguments += ["--variants", "imu_pose alone", "--set", *quick]
    ablation.main(arguments)
    text = (tmp_path / "out" / "ablation.md").read_text()
    cell = tmp_path / "out" / "cells" / "imu_pose-alone-seed0" / "cell.json"
    assert "imu_pose alone" in text
    assert "optim.epochs=1" in text
    figures = json.loads(cell.read_text())["figures"]
    assert (figures["clip_subjects"], figures["recording_subjects"]) == ([someone], ["w2"])
    made, checkpoint = cell.stat().st_mtime_ns, cell.parent / "pretrain" / "model.safetensors"
    trained = checkpoint.stat().st_mtime_ns
    ablation.main(arguments)
    assert cell.stat().st_mtime_ns == made
    cell.unlink()  # as if the evaluation had been interrupted: what was trained is trained
    ablation.main(arguments)
    assert json.loads(cell.read_text())["figures"]["retrieval"] == figures["retrieval"]
    assert checkpoint.stat().st_mtime_ns == trained


def test_an_unknown_variant_is_named(tmp_path):
    arguments = ["--clips", "x", "--recordings", "x", "--held-out", "s1", "--out", str(tmp_path), "--variants", "text_imu"]
    with pytest.raises(InputError, match="unknown variant 'text_imu', did you mean 'text_imu alone'"):
        ablation.main(arguments)


def test_left_right_alone_is_left_out_or_refused_on_one_wrist(synthetic_clip, tmp_path):
    clips = tmp_path / "clips"
    clips.mkdir()
    row = synthetic_clip("c0")
    row.pop(schema.imu_column("left_wrist"))
    tables.write_table(clips, [row], schema.synthetic_clips(["right_wrist"]), rows_per_shard=1)

    def planned(*variants: str) -> list[str]:
        options = argparse.Namespace(clips=clips, variants=variants, seeds=[0], set=[], held_out=["s1"])
        return [name for name, _, _ in ablation.cells(options)]

    assert planned() == [name for name in ablation.variants() if name != "left_right alone"]
    with pytest.raises(InputError, match="'left_right alone' needs both wrists, and there is right_wrist"):
        planned("all", "left_right alone")
