"""`m3n evaluate` on a pretrained checkpoint: its figures, its files, what it does not look at, and what it refuses."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import m3n
from m3n import schema
from m3n.cli import main
from m3n.config import EvaluateConfig
from m3n.data.windows import RecordingWindows, cut_clips
from m3n.evaluation.embed import embed_clips, embed_recordings, embed_sentences, load_multi3net
from m3n.io import tables

WRISTS = ("left_wrist", "right_wrist")
SENTENCES = "wave:\n  - A person waves.\n  - Someone greets with one hand.\nshake:\n  - A person shakes a bottle.\n"


@pytest.fixture(scope="module")
def clips(corpus, tmp_path_factory) -> Path:
    """A shard of the corpus, as if other people had moved."""
    folder = tmp_path_factory.mktemp("held-out") / "clips"
    folder.mkdir()
    rows = tables.rows(tables.read_shard(corpus / "synthetic" / "part-00000.parquet", schema.synthetic_clips(WRISTS)))
    changed = [{**row, "subject": f"new-{i % 3}"} for i, row in enumerate(rows)]
    tables.write_table(folder, changed, schema.synthetic_clips(WRISTS), rows_per_shard=5)
    return folder


@pytest.fixture(scope="module")
def recordings(recording, tmp_path_factory) -> Path:
    """Four people, two gestures each, two recordings of each gesture."""
    folder = tmp_path_factory.mktemp("recorded") / "recordings"
    folder.mkdir()
    rows = [
        recording(f"{who}-{label}-{take}", subject=who, label=label)
        for who in ("Anna", "Ben", "Cleo", "Dan")
        for label in ("wave", "shake")
        for take in (1, 2)
    ]
    tables.write_table(folder, rows, schema.imu_recordings(), rows_per_shard=6)
    return folder


@pytest.fixture(scope="module")
def sentences(tmp_path_factory) -> Path:
    file = tmp_path_factory.mktemp("sentences") / "gestures.yaml"
    file.write_text(SENTENCES)
    return file


@pytest.fixture(scope="module")
def evaluated(checkpoint, clips, recordings, sentences, tmp_path_factory) -> tuple[Path, dict[str, Any]]:
    """Folder and figures of an evaluation on both tables."""
    out = tmp_path_factory.mktemp("evaluated") / "evaluation"
    file = out.parent / "figures.json"
    arguments = ["--clips", str(clips), "--recordings", str(recordings), "--out", str(out), "--json", str(file)]
    settings = [f"sentences={sentences}", "probe_subjects=[Anna,Ben]", "subjects=[new-0,new-1,Cleo]", "neighbours=3"]
    assert main(["evaluate", str(checkpoint), *arguments, *settings]) == 0
    return out, json.loads(file.read_text())


def test_an_evaluation_leaves_figures_tables_and_pictures(evaluated):
    out, figures = evaluated
    assert sorted(p.name for p in out.iterdir()) == [
        "confusion.png", "embeddings.png", "evaluate.json", "evaluate.md", "manifest.json", "retrieval.png",
    ]  # fmt: skip
    assert json.loads((out / "evaluate.json").read_text()) == figures
    assert all(
        (out / name).read_bytes().startswith(b"\x89PNG") for name in ("confusion.png", "embeddings.png", "retrieval.png")
    )
    text = (out / "evaluate.md").read_text()
    assert f"{figures['zero_shot_macro_f1']:.3f}" in text
    assert f"{figures['retrieval']['text_to_imu']['r1']:.3f} ({figures['retrieval']['text_to_imu']['chance_r1']:.3f})" in text
    assert json.loads((out / "manifest.json").read_text())["table"] == "evaluation"


def test_only_the_subjects_asked_for_are_looked_at(evaluated):
    _, figures = evaluated
    assert figures["clip_subjects"] == ["new-0", "new-1"]
    assert figures["recording_subjects"] == ["Cleo"]
    assert (figures["recordings"], figures["probes_trained_on"]) == (4, "2 other subjects")


def test_figures_follow_from_the_models_outputs(evaluated, checkpoint, clips):
    """Recall of IMU -> pose and the error of Pose2IMU, computed anew in the plainest way."""
    _, figures = evaluated
    model, found = load_multi3net(checkpoint)
    shards = (tables.read_shard(shard, schema.synthetic_clips(WRISTS)) for shard in tables.shard_paths(clips))
    rows = [row for shard in shards for row in tables.rows(shard) if row["subject"] != "new-2"]
    windows = cut_clips(rows, found.windows, WRISTS)
    embedded = embed_clips(model, found, windows, [True, True], batch=7)
    hits = [windows.clip[np.argmax(embedded.pose_ne @ x)] == c for x, c in zip(embedded.imu_ne, windows.clip, strict=True)]
    assert figures["retrieval"]["imu_to_pose"]["r1"] == pytest.approx(np.mean(hits), abs=0.01)
    error = embedded.pose2imu_npt6 - windows.imu_npt6
    assert figures["pose2imu_rmse_acc"] == pytest.approx(np.sqrt(np.mean(error[..., :3] ** 2)), rel=1e-4)
    assert figures["pose2imu_rmse_gyro"] == pytest.approx(np.sqrt(np.mean(error[..., 3:] ** 2)), rel=1e-4)
    sizes = np.bincount(windows.clip)[windows.clip]
    assert figures["retrieval"]["imu_to_pose"]["chance_r1"] == pytest.approx(np.mean(sizes / len(sizes)))
    assert set(figures["retrieval"]) == {
        f"{a}_to_{b}" for a in ("text", "pose", "imu") for b in ("text", "pose", "imu") if a != b
    }


def test_embeddings_of_real_windows_are_those_of_the_same_samples_in_a_clip(checkpoint, clips):
    """The path of recordings, with one wrist worn, gives what the whole model gives with the other wrist left out."""
    model, found = load_multi3net(checkpoint)
    rows = list(tables.rows(tables.read_shard(tables.shard_paths(clips)[0], schema.synthetic_clips(WRISTS))))
    windows = cut_clips(rows, found.windows, WRISTS)
    whole = embed_clips(model, found, windows, [False, True], batch=64).imu_ne
    count = len(windows.clip)
    real = RecordingWindows(
        imu_npt6=windows.imu_npt6[:, 1:],
        worn_np=np.ones((count, 1), bool),
        label=np.zeros(count, int),
        recording=windows.clip,
        start_s=np.zeros(count),
        rate_n=np.full(count, 60.0, np.float32),
        classes=["any"],
        recording_ids=windows.clip_ids,
        subjects=windows.subjects,
        sources=windows.sources,
        placements=("right_wrist",),
    )
    assert embed_recordings(model, found, real, batch=5)[1] == pytest.approx(whole, abs=1e-5)
    assert np.linalg.norm(embed_sentences(model, np.eye(384, dtype=np.float32)[:3]), axis=1) == pytest.approx(1, abs=1e-5)


def test_zero_shot_reads_no_label(checkpoint, recordings, sentences, evaluated, tmp_path):
    """With the held-out subject's labels exchanged, every window is predicted as before: the confusion's rows change places."""
    _, figures = evaluated
    exchange = {"wave": "shake", "shake": "wave"}
    rows = [
        row
        for shard in tables.shard_paths(recordings)
        for row in tables.rows(tables.read_shard(shard, schema.imu_recordings()))
    ]
    changed = [{**row, "label": exchange[row["label"]] if row["subject"] == "Cleo" else row["label"]} for row in rows]
    (tmp_path / "changed").mkdir()
    tables.write_table(tmp_path / "changed", changed, schema.imu_recordings(), rows_per_shard=64)
    settings = EvaluateConfig(sentences=str(sentences), subjects=["Cleo"], picture="none")
    found = m3n.evaluate(checkpoint, tmp_path / "out", settings, recordings=tmp_path / "changed")
    assert found["zero_shot_confusion"] == figures["zero_shot_confusion"][::-1]
    assert not any(name.startswith(("retrieval", "pose2imu")) for name in found)


def test_where_nobody_else_is_left_the_held_out_train_the_probes_in_turn(checkpoint, watch, tmp_path):
    """And the sentences are those of the recordings' source."""
    out = tmp_path / "out"
    figures = m3n.evaluate(checkpoint, out, EvaluateConfig(hop_s=20), recordings=watch)
    assert figures["probes_trained_on"] == "the other 4 of 5 folds of subjects"
    assert len(figures["recording_subjects"]) == 10
    assert figures["classes"] == 7
    assert figures["real_retrieval"]["real_imu_to_text"]["items"] == 35  # five sentences each
    for name in ("zero_shot", "knn", "linear_probe"):
        assert 0 < figures[f"{name}_macro_f1"] < 1
        assert np.sum(figures[f"{name}_confusion"]) == figures["recording_windows"]
    assert figures["linear_probe_macro_f1"] > 2 * figures["chance_macro_f1"]


def test_an_evaluation_stands_in_mlflow_beside_the_pretrainings(evaluated, clips, recordings):
    from mlflow import MlflowClient

    out, figures = evaluated
    client = MlflowClient(os.environ["MLFLOW_TRACKING_URI"])
    experiment = client.get_experiment_by_name("m3n-pretrain")
    (run,) = client.search_runs([experiment.experiment_id], f"attributes.run_name = '{out.name}'")
    assert run.data.tags["m3n.stage"] == "evaluate"
    assert run.data.tags["m3n.data_sha"] == f"{tables.data_sha256(clips)},{tables.data_sha256(recordings)}"
    metrics = run.data.metrics
    assert metrics["test/zero_shot_macro_f1"] == pytest.approx(figures["zero_shot_macro_f1"])
    assert metrics["test/retrieval/text_to_imu/r1"] == pytest.approx(figures["retrieval"]["text_to_imu"]["r1"])
    assert metrics["test/alignment/imu_pose/value"] == pytest.approx(figures["alignment"]["imu_pose"]["value"])
    assert {a.path for a in client.list_artifacts(run.info.run_id)} >= {"evaluate.json", "evaluate.md", "confusion.png"}


# what is refused, in one line, with nothing left behind


@pytest.fixture
def refused(checkpoint, tmp_path, capfd):
    def run(*arguments: str, model: Path = checkpoint) -> str:
        capfd.readouterr()
        status = main(["evaluate", str(model), "--out", str(tmp_path / "results" / "out"), *map(str, arguments)])
        stderr = capfd.readouterr().err
        assert status == 2, stderr
        assert len(stderr.splitlines()) == 1, stderr
        assert not (tmp_path / "results").exists()
        return stderr

    return run


def test_tables_and_subjects_that_do_not_fit_are_named(refused, clips, recordings, corpus, sentences):
    sentences = f"sentences={sentences}"
    assert "give --clips, --recordings or both" in refused()
    assert "does not exist" in refused("--clips", "nowhere")
    assert "imu_<placement>" in refused("--clips", corpus / "poses")
    assert "every subject of" in refused("--clips", corpus / "synthetic")
    assert "exclude_subjects" in refused("--clips", corpus / "synthetic")
    someone = next(tables.rows(pq.ParquetFile(tables.shard_paths(corpus / "synthetic")[0]).read()))["subject"]
    assert f"'{someone}' of choreography was trained on" in refused("--clips", corpus / "synthetic", f"subjects=[{someone}]")
    assert "unknown subject 'Bem', did you mean 'Ben'?" in refused("--recordings", recordings, "subjects=[Bem]", sentences)
    both = ("--clips", clips, "--recordings", recordings, "subjects=[Ben]", sentences)
    assert "has none of the subjects Ben: leave it out, or name some of new-0, new-1, new-2" in refused(*both)
    assert "probe_subjects names 'Ben'" in refused(
        "--recordings", recordings, "subjects=[Ben]", "probe_subjects=[Ben]", sentences
    )
    assert "not 'head'" in refused("--clips", clips, "placements=[head]")


def test_a_table_without_rows_or_with_a_damaged_one_is_named(refused, clips, recording, tmp_path):
    tables.write_shard(tmp_path / "empty.parquet", schema.synthetic_clips(WRISTS).empty_table())
    assert "empty.parquet is empty" in refused("--clips", tmp_path / "empty.parquet")
    tables.write_shard(tmp_path / "none.parquet", schema.imu_recordings().empty_table())
    assert "none.parquet is empty" in refused("--recordings", tmp_path / "none.parquet")
    rows = [recording("fine"), recording("bad", subject=None)]
    tables.write_shard(tmp_path / "bad.parquet", tables.to_table(rows, schema.imu_recordings()))
    assert "row 1 (recording 'bad'): subject is null" in refused("--recordings", tmp_path / "bad.parquet")
    rows = list(tables.rows(tables.read_shard(tables.shard_paths(clips)[0], schema.synthetic_clips(WRISTS))))
    rows[1] = rows[1] | {"fps": 0.0}
    tables.write_shard(tmp_path / "still.parquet", tables.to_table(rows, schema.synthetic_clips(WRISTS)))
    assert "row 1" in refused("--clips", tmp_path / "still.parquet")


def test_a_subject_that_was_trained_on_can_be_looked_at_on_purpose(checkpoint, corpus, tmp_path):
    someone = next(tables.rows(pq.ParquetFile(tables.shard_paths(corpus / "synthetic")[0]).read()))["subject"]
    settings = EvaluateConfig(subjects=[someone], allow_seen=True, picture="none")
    assert m3n.evaluate(checkpoint, tmp_path / "out", settings, clips=corpus / "synthetic")["clip_subjects"] == [someone]
    assert "may include some that the checkpoint was trained on" in (tmp_path / "out" / "evaluate.md").read_text()


@pytest.mark.parametrize(
    ("content", "parts"),
    [
        ("wave: [A person waves.]", ("no sentence for the label 'shake'", "sentences=none")),
        ("wave: A person waves.", ("label 'wave' holds 'A person waves.'", "list of sentences")),
        ("- A person waves.", ("found a list",)),
        ("wave: [", ("not valid YAML",)),
    ],
)
def test_sentences_that_do_not_fit_are_named(refused, recordings, tmp_path, content, parts):
    (tmp_path / "sentences.yaml").write_text(content)
    message = refused("--recordings", recordings, f"sentences={tmp_path / 'sentences.yaml'}")
    assert [part for part in parts if part not in message] == []


def test_a_source_without_sentences_needs_a_file_or_no_zero_shot(refused, checkpoint, recordings, tmp_path):
    assert "no sentence for the label 'shake' in the texts of test" in refused("--recordings", recordings)
    figures = m3n.evaluate(checkpoint, tmp_path / "out", EvaluateConfig(sentences="none"), recordings=recordings)
    assert "zero_shot_macro_f1" not in figures
    assert figures["knn_macro_f1"] > figures["chance_macro_f1"]


def test_a_classifier_is_not_a_pretrained_model(refused, checkpoint, clips, tmp_path):
    shutil.copytree(checkpoint, tmp_path / "classifier")
    described = json.loads((checkpoint / "checkpoint.json").read_text())
    (tmp_path / "classifier" / "checkpoint.json").write_text(json.dumps(described | {"kind": "classifier"}))
    assert "expected one made by `m3n pretrain`" in refused("--clips", clips, model=tmp_path / "classifier")
    assert "holds no checkpoint.json" in refused("--clips", clips, model=tmp_path)


def test_a_placement_that_the_clips_lack_is_named(refused, clips, tmp_path):
    shard = tables.shard_paths(clips)[0]
    tables.write_shard(tmp_path / "right.parquet", pa.Table.drop_columns(pq.ParquetFile(shard).read(), ["imu_left_wrist"]))
    assert "has no imu_left_wrist" in refused("--clips", tmp_path / "right.parquet")


def test_umap_is_asked_for_only_where_it_is_installed(refused, clips, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert "pip install umap-learn" in refused("--clips", clips, "picture=umap")
