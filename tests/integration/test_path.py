"""The main path through the public commands: poses, virtual IMUs, pretraining, a classifier of real recordings, and MLflow."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from safetensors.torch import load_file
from sklearn.metrics import f1_score

from m3n import config, schema
from m3n.cli import main
from m3n.commands.pretrain import prepare
from m3n.config import FinetuneConfig, PretrainConfig, SimulateConfig
from m3n.data.splits import subject_folds
from m3n.io import tables

QUICK = ["epochs=1", "min_steps=3", "batch_size=16"]


def rows_of(folder: Path) -> pa.Table:
    return pa.concat_tables(pq.ParquetFile(shard).read() for shard in tables.shard_paths(folder)).replace_schema_metadata()


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def mlflow_run(stage: str, name: str) -> Any:
    """The one run of a stage into a folder of that name."""
    from mlflow import MlflowClient

    client = MlflowClient(os.environ["MLFLOW_TRACKING_URI"])
    experiment = client.get_experiment_by_name(f"m3n-{stage}")
    (run,) = client.search_runs([experiment.experiment_id], f"attributes.run_name = '{name}'")
    return run


def history(run: Any, metric: str) -> list[tuple[int, float]]:
    from mlflow import MlflowClient

    found = MlflowClient(os.environ["MLFLOW_TRACKING_URI"]).get_metric_history(run.info.run_id, metric)
    return sorted((m.step, m.value) for m in found)


def assert_described(run: Any, stage: str, settings: config.Options, data: Path) -> None:
    """Params are the flattened config, tags say from what and by which code."""
    root = Path(config.__file__).resolve().parents[1]
    commit = subprocess.run(["git", "rev-parse", "HEAD"], cwd=root, capture_output=True, text=True, check=False).stdout.strip()
    expected = {"m3n.stage": stage, "m3n.config_sha": config.sha256(settings), "m3n.data_sha": tables.data_sha256(data)}
    expected |= {"m3n.git_sha": commit, "m3n.seed": str(config.flatten(settings)["seed"])}
    assert {key: value for key, value in run.data.tags.items() if key.startswith("m3n.")} == expected
    assert run.data.params == {key: str(value) for key, value in config.flatten(settings).items()}
    assert run.info.status == "FINISHED"


# simulate


@pytest.fixture(scope="module")
def poses(corpus, tmp_path_factory) -> Path:
    """Eight short clips in three shards."""
    folder = tmp_path_factory.mktemp("eight") / "poses"
    folder.mkdir()
    rows = list(tables.rows(tables.read_shard(corpus / "poses" / "part-00000.parquet", schema.POSE_CLIPS)))
    cut = [{**row, "n_frames": 150, "poses": row["poses"][: 150 * 72], "trans": row["trans"][: 150 * 3]} for row in rows]
    tables.write_table(folder, cut, schema.POSE_CLIPS, rows_per_shard=3)
    return folder


SETTINGS = ["sensor=bmi160", "seed=5", "rate_hz=50", "placements=[left_wrist,head]"]


@pytest.fixture(scope="module")
def simulated(poses, ray_cluster) -> Path:
    out = poses.parent / "simulated"
    assert main(["simulate", str(poses), "--out", str(out), "workers=2", *SETTINGS]) == 0
    return out


def test_a_synthetic_clip_is_the_pose_clip_and_its_samples(poses, simulated):
    import m3n

    given, made = rows_of(poses), rows_of(simulated)
    assert made.select(given.column_names).equals(given)
    assert made.schema.equals(schema.synthetic_clips(["left_wrist", "head"]))
    row = next(tables.rows(made))
    assert row["rate_hz"] == 50
    assert row["n_samples"] == 125  # 149 frame intervals at 60 Hz are 2.483 s: samples 0 to 124 at 50 Hz
    posed = np.reshape(row["poses"], (150, 24, 3)), np.reshape(row["trans"], (150, 3))
    ideal = m3n.simulate(*posed, fps=60, betas=row["betas"], placements=["head"], rate_hz=50)["head"]
    error = row["imu_head"].reshape(125, 6) - ideal
    assert 0 < np.median(np.abs(error[:, :3])) < 0.5  # the part's bias and noise, and nothing else [m/s²]
    assert 0 < np.median(np.abs(error[:, 3:])) < 0.1  # [rad/s]


def test_what_this_process_simulates_is_what_ray_workers_do(poses, simulated, tmp_path):
    assert main(["simulate", str(poses), "--out", str(tmp_path / "out"), *SETTINGS]) == 0
    assert contents(tmp_path / "out") == contents(simulated)


def test_the_sharding_changes_no_row_and_paths_are_the_users_own(poses, simulated, tmp_path, monkeypatch):
    """All clips in a single file, named from a working folder that Ray's workers, started elsewhere, do not share."""
    monkeypatch.chdir(tmp_path)
    tables.write_shard(tmp_path / "clips.parquet", rows_of(poses))
    assert main(["simulate", "clips.parquet", "--out", "out", *SETTINGS]) == 0
    assert rows_of(Path("out")).equals(rows_of(simulated))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["clips.parquet", "out"]


def test_an_interrupted_simulation_goes_on_with_what_is_missing(poses, simulated, tmp_path):
    """Left behind: shard 0 whole, shard 1 cut short, and one of a table that had more shards."""
    partial = tmp_path / "out.partial"
    partial.mkdir()
    for name in ("part-00000.parquet", "part-00001.parquet"):
        shutil.copy(simulated / name, partial / name)
    shutil.copy(simulated / "part-00000.parquet", partial / "part-00009.parquet")
    os.truncate(partial / "part-00001.parquet", 2000)
    kept = (partial / "part-00000.parquet").stat()
    assert main(["simulate", str(poses), "--out", str(tmp_path / "out"), *SETTINGS]) == 0
    assert contents(tmp_path / "out") == contents(simulated)
    assert (tmp_path / "out" / "part-00000.parquet").stat().st_ino == kept.st_ino
    assert (tmp_path / "out" / "part-00000.parquet").stat().st_mtime_ns == kept.st_mtime_ns
    assert not partial.exists()


def test_shards_of_other_settings_are_not_taken_over(poses, simulated, tmp_path):
    shutil.copytree(simulated, tmp_path / "out.partial")
    assert (
        main(["simulate", str(poses), "--out", str(tmp_path / "out"), "seed=6", *(s for s in SETTINGS if s != "seed=5")]) == 0
    )
    for old, new in zip(tables.rows(rows_of(simulated)), tables.rows(rows_of(tmp_path / "out")), strict=True):
        assert old["clip_id"] == new["clip_id"]
        assert not np.array_equal(old["imu_head"], new["imu_head"])


def test_a_bad_clip_goes_to_quarantine_and_its_shard_is_made_again(poses, simulated, tmp_path):
    """The shard of an earlier run is not taken over, because its input has changed; the two others are."""
    rows = list(tables.rows(rows_of(poses)))
    rows[4] = rows[4] | {"fps": 0.0}
    (tmp_path / "poses").mkdir()
    tables.write_table(tmp_path / "poses", rows, schema.POSE_CLIPS, rows_per_shard=3)
    shutil.copytree(simulated, tmp_path / "out.partial")
    assert main(["simulate", str(tmp_path / "poses"), "--out", str(tmp_path / "out"), "max_rejected=0.2", *SETTINGS]) == 0
    assert rows_of(tmp_path / "out").equals(rows_of(simulated).take([0, 1, 2, 3, 5, 6, 7]))
    reasons = pq.ParquetFile(tmp_path / "out" / "quarantine" / "rejected.parquet").read().to_pylist()
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert [(rows[4]["clip_id"] in r["item"], "fps is 0" in r["reason"]) for r in reasons] == [(True, True)]
    assert manifest["quarantined"] == reasons
    assert manifest["rows"] == 7


def test_a_simulation_is_described_in_its_manifest_and_in_mlflow(poses, simulated):
    manifest = json.loads((simulated / "manifest.json").read_text())
    assert manifest["table"] == "synthetic_clips"
    assert (manifest["rows"], manifest["frames"], manifest["samples"], manifest["seed"]) == (8, 1200, 1000, 5)
    assert manifest["inputs"] == {shard.name: tables.file_sha256(shard) for shard in tables.shard_paths(poses)}
    run = mlflow_run("simulate", "simulated")
    assert_described(run, "simulate", config.resolve(SimulateConfig, "simulate", None, ["workers=2", *SETTINGS]), poses)
    assert run.data.metrics["simulate/clips"] == 8
    assert run.data.metrics["simulate/frames"] == 1200


# pretrain


def test_a_pretraining_leaves_a_checkpoint_and_a_manifest_and_nothing_else(checkpoint, corpus):
    assert sorted(contents(checkpoint)) == ["checkpoint.json", "last.safetensors", "manifest.json", "model.safetensors"]
    assert sorted(p.name for p in checkpoint.parent.iterdir()) == ["pretrained", "store.txt"]
    described = json.loads((checkpoint / "checkpoint.json").read_text())
    assert described["kind"] == "multi3net"
    assert described["placements"] == ["left_wrist", "right_wrist"]
    assert described["windows"]["window_s"] == 2.0
    people = sorted({row["subject"] for row in tables.rows(rows_of(corpus / "synthetic"))})
    assert described["subjects"] == {"choreography": people}
    manifest = json.loads((checkpoint / "manifest.json").read_text())
    assert manifest["inputs"] == {"synthetic": tables.data_sha256(corpus / "synthetic")}
    assert manifest["config"]["optim"]["epochs"] == 2


def test_a_pretraining_is_described_in_mlflow_epoch_by_epoch(checkpoint, corpus, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", (checkpoint.parent / "store.txt").read_text())
    run = mlflow_run("pretrain", checkpoint.name)
    manifest = json.loads((checkpoint / "manifest.json").read_text())
    settings = PretrainConfig.model_validate(manifest["config"])
    assert_described(run, "pretrain", settings, corpus / "synthetic")
    objectives = [name for name in settings.loss.weights if name != "two_views"]  # which compares real recordings
    for part in ("train", "val"):
        for name in ("loss", *(f"loss/{objective}" for objective in objectives)):
            steps = history(run, f"{part}/{name}")
            assert [step for step, _ in steps] == [0, 1]
            assert all(np.isfinite(value) for _, value in steps)
    for step in (0, 1):
        parts = {name: dict(history(run, f"train/loss/{name}"))[step] for name in objectives}
        total = sum(settings.loss.weights[name] * value for name, value in parts.items())
        assert dict(history(run, "train/loss"))[step] == pytest.approx(total, rel=1e-4)
    losses = dict(history(run, "val/loss"))
    assert manifest["best_epoch"] == min(losses, key=losses.get)


def test_subjects_held_out_downstream_can_be_left_out_of_pretraining(corpus, tmp_path):
    rows = list(tables.rows(rows_of(corpus / "synthetic")))
    out = rows[0]["subject"]
    found = prepare(corpus / "synthetic", tmp_path / "windows", PretrainConfig(workers=1, exclude_subjects=[out]))
    assert found.clips == sum(row["subject"] != out for row in rows) < len(rows)
    assert found.subjects == {"choreography": sorted({row["subject"] for row in rows} - {out})}


# finetune

METHODS = ("scratch", "frozen", "not_frozen", "lp_ft", "adapters")


@pytest.fixture(scope="module", params=METHODS)
def finetuned(request, watch, checkpoint, tmp_path_factory) -> tuple[str, Path, dict[str, Any]]:
    """A classifier of the watch recordings by each method: (method, folder, figures)."""
    out = tmp_path_factory.mktemp("finetuned") / request.param
    start = ["model.width=16", "model.depth=1"]
    if request.param != "scratch":
        start = ["--checkpoint", str(checkpoint), f"freeze={request.param}"]
    settings = [*QUICK, "windows.hop_s=5", "windows.window_s=2", "fold=1", "val_subjects=[7]"]
    figures = out.parent / "figures.json"
    assert main(["finetune", str(watch), "--out", str(out), "--json", str(figures), *start, *settings]) == 0
    return request.param, out, json.loads(figures.read_text())


def test_a_finetuning_leaves_classifier_split_scores_predictions_and_picture(finetuned):
    method, out, figures = finetuned
    assert sorted(contents(out)) == [
        "checkpoint.json", "confusion.png", "manifest.json", "metrics.json", "model.safetensors", "predictions.parquet",
        "split.json",
    ]  # fmt: skip
    assert figures["method"] == method
    assert json.loads((out / "metrics.json").read_text()) == figures
    assert (out / "confusion.png").read_bytes().startswith(b"\x89PNG\r\n")
    described = json.loads((out / "checkpoint.json").read_text())
    assert described["kind"] == "classifier"
    assert len(described["classes"]) == 7


def test_nobody_is_trained_and_tested_on(finetuned, watch):
    _, out, figures = finetuned
    split = json.loads((out / "split.json").read_text())
    everyone = {row["subject"] for row in tables.rows(rows_of(watch))}
    assert sorted([*split["train"], *split["val"], *split["test"]]) == sorted(everyone)
    assert split["val"] == ["7"]
    assert len(split["test"]) == 2
    tested = pq.ParquetFile(out / "predictions.parquet").read()
    assert set(tested["subject"].to_pylist()) == set(split["test"])
    assert figures["test_subjects_seen_in_pretraining"] == []


def test_the_score_is_the_macro_f1_of_the_predictions(finetuned):
    _, out, figures = finetuned
    table = pq.ParquetFile(out / "predictions.parquet").read().to_pydict()
    assert len(table["label"]) == figures["test_windows"] > 50
    expected = f1_score(
        table["label"], table["predicted"], average="macro", labels=sorted({*table["label"], *table["predicted"]})
    )
    assert figures["test_macro_f1"] == pytest.approx(expected)
    assert all(1 / 7 - 1e-6 <= value <= 1 + 1e-6 for value in table["confidence"])  # the largest of seven


def test_a_frozen_encoder_is_the_pretrained_one_to_the_bit(finetuned, checkpoint):
    method, out, _ = finetuned
    pretrained, found = load_file(checkpoint / "model.safetensors"), load_file(out / "model.safetensors")
    units = {"imu.unit_6", "imu.rate_hz"}  # what the samples are; nothing learns it
    encoder = [name for name in found if name.startswith("imu.") and name not in units]
    assert encoder
    assert all(pretrained[name].equal(found[name]) for name in units) or method == "scratch"
    same = [name for name in encoder if pretrained[name].equal(found[name])]
    if method == "adapters":  # change weights by what is merged into them, and nothing else
        assert {name for name in encoder if pretrained[name].dim() < 2} <= set(same)
        assert len(same) < len(encoder)
    else:
        assert len(same) == len(encoder) if method == "frozen" else len(same) <= 1  # a score's bias has no gradient


def test_a_finetuning_is_described_in_mlflow(finetuned, watch):
    _, out, figures = finetuned
    run = mlflow_run("finetune", out.name)
    settings = json.loads((out / "manifest.json").read_text())["config"]
    assert_described(run, "finetune", FinetuneConfig.model_validate(settings), watch)
    assert run.data.metrics["test/macro_f1"] == pytest.approx(figures["test_macro_f1"])
    assert run.data.metrics["val/macro_f1"] == pytest.approx(figures["val_macro_f1"])
    steps = history(run, "train/loss")
    assert steps[-1][0] >= 3
    assert all(np.isfinite(value) for _, value in steps)


def test_every_method_is_tested_on_the_same_people_and_windows(finetuned, watch):
    _, out, figures = finetuned
    rows = [row for row in tables.rows(rows_of(watch)) if row["subject"] in figures["test_subjects"]]
    windows = {row["recording_id"]: 1 + max(0, int((row["n_samples"] / 50 - 2) / 5 + 1e-6)) for row in rows}
    found = pq.ParquetFile(out / "predictions.parquet").read()["recording_id"].to_pylist()
    assert {name: found.count(name) for name in windows} == windows
    people = sorted({row["subject"] for row in tables.rows(rows_of(watch))})
    assert figures["test_subjects"] == list(subject_folds(people, 5, 0)[1])


@pytest.fixture
def recordings(recording, tmp_path) -> Path:
    """Four people, two gestures each; two of the people are those of the pretraining corpus."""
    folder = tmp_path / "recordings"
    folder.mkdir()
    rows = [
        recording(f"{who}-{label}", subject=who, label=label, source="choreography")
        for who in ("choreo-000", "choreo-001", "Anna", "Ben")
        for label in ("wave", "shake")
    ]
    tables.write_table(folder, rows, schema.imu_recordings(), rows_per_shard=4)
    return folder


def test_test_subjects_whose_poses_were_pretrained_on_end_the_run(recordings, checkpoint, tmp_path, capsys):
    file = tmp_path / "leaky"
    shutil.copytree(checkpoint, file)
    described = json.loads((file / "checkpoint.json").read_text())
    described["subjects"] = {"choreography": ["choreo-000", "choreo-001"], "other": ["Anna"]}
    (file / "checkpoint.json").write_text(json.dumps(described))
    arguments = ["finetune", str(recordings), "--checkpoint", str(file), "--out", str(tmp_path / "out"), *QUICK]
    assert main([*arguments, "test_subjects=[choreo-001,Anna]"]) == 2
    said = capsys.readouterr().err
    assert "leakage: poses or recordings of test subject 'choreo-001' of choreography" in said
    assert "exclude_subjects=[choreo-001]" in said
    assert not (tmp_path / "out").exists()
    assert main([*arguments, "test_subjects=[choreo-001,Anna]", "allow_seen=true"]) == 0
    assert json.loads((tmp_path / "out" / "metrics.json").read_text())["test_subjects_seen_in_pretraining"] == ["choreo-001"]
    assert main([*arguments, "test_subjects=[Ben]"]) == 0


def test_a_label_that_is_only_tested_is_named_and_can_be_ignored(recording, tmp_path, capsys):
    folder = tmp_path / "recordings"
    folder.mkdir()
    rows = [recording(f"{who}-{label}", subject=who, label=label) for who in ("a", "b") for label in ("wave", "shake")]
    rows.append(recording("b-jump", subject="b", label="jump"))
    tables.write_table(folder, rows, schema.imu_recordings(), rows_per_shard=8)
    arguments = ["finetune", str(folder), "--out", str(tmp_path / "out"), *QUICK, "test_subjects=[b]", "model.width=16"]
    assert main(arguments) == 2
    assert "label 'jump' of test subject b has no example among the training subjects" in capsys.readouterr().err
    assert main([*arguments, "ignore_labels=[jump]"]) == 0
    assert set(json.loads((tmp_path / "out" / "metrics.json").read_text())["test_per_class"]) == {"shake", "wave"}


def test_a_tracking_server_that_is_down_does_not_stop_a_training(recordings, tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:1")
    monkeypatch.setenv("M3N_CACHE", str(tmp_path / "cache"))
    arguments = ["finetune", str(recordings), "--out", str(tmp_path / "out"), *QUICK, "test_subjects=[Ben]", "model.width=16"]
    assert main(arguments) == 0
    (journal,) = (tmp_path / "cache" / "outbox").glob("*/*/journal.jsonl")
    kept = [json.loads(line) for line in journal.read_text().splitlines()]
    assert kept[0]["params"]["test_subjects"] == "['Ben']"
    assert kept[0]["tags"]["m3n.data_sha"] == tables.data_sha256(recordings)
    metrics = {name: value for line in kept for name, value in line.get("values", {}).items()}
    figures = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert metrics["test/macro_f1"] == figures["test_macro_f1"]
    assert "train/loss" in metrics
    assert (kept[-1]["kind"], kept[-1]["status"]) == ("end", "FINISHED")
    artifacts = {Path(line["file"]).name: journal.parent / line["file"] for line in kept if line["kind"] == "artifact"}
    assert {"config.yaml", "metrics.json", "confusion.png", "manifest.json", "model.safetensors"} <= set(artifacts)
    assert artifacts["metrics.json"].read_bytes() == (tmp_path / "out" / "metrics.json").read_bytes()


def test_a_run_that_fails_is_marked_so(recordings, tmp_path):
    from m3n import tracking

    settings = SimulateConfig()
    with pytest.raises(ZeroDivisionError), tracking.track("simulate", "failing", settings):
        _ = 1 / 0
    assert mlflow_run("simulate", "failing").info.status == "FAILED"


def test_a_later_result_replaces_the_earlier_one_whole(recordings, tmp_path):
    arguments = ["finetune", str(recordings), "--out", str(tmp_path / "out"), *QUICK, "model.width=16"]
    assert main([*arguments, "test_subjects=[Ben]"]) == 0
    (tmp_path / "out" / "left-over").write_text("x")
    assert main([*arguments, "test_subjects=[Anna]"]) == 0
    assert json.loads((tmp_path / "out" / "split.json").read_text())["test"] == ["Anna"]
    assert not (tmp_path / "out" / "left-over").exists()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["out", "recordings"]


def test_ingesting_again_keeps_what_lies_beside_the_tables(tmp_path):
    out = tmp_path / "data"
    for clips in (2, 3):
        assert main(["ingest", "choreography", "--out", str(out), f"clips={clips}"]) == 0
        (out / "synthetic").mkdir(exist_ok=True)
        (out / "synthetic" / "mine").touch()
    assert (out / "synthetic" / "mine").exists()
    assert sum(pq.read_metadata(shard).num_rows for shard in (out / "poses").glob("*.parquet")) == 3
