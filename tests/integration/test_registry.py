"""The best classifier in MLflow's registry: registered by a sweep's run, loaded by its alias, asked with a DataFrame of samples."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from m3n import schema, tracking
from m3n.cli import main
from m3n.config import TuneConfig, check, updated
from m3n.errors import InputError
from m3n.export.samples import example_samples, sample_columns
from m3n.io import tables


@pytest.fixture(scope="module")
def classifier(recording, tmp_path_factory) -> Path:
    """Waving against shaking, on either wrist."""
    folder = tmp_path_factory.mktemp("registry")
    rows = [
        recording(f"{who}-{label}-{worn}", subject=who, label=label, worn=worn)
        for who in "abc"
        for label in ("wave", "shake")
        for worn in ("right_wrist", "left_wrist")
    ]
    rows = [{"imu_left_wrist": None, "imu_right_wrist": None} | row for row in rows]
    (folder / "recordings").mkdir()
    tables.write_table(folder / "recordings", rows, schema.imu_recordings(("left_wrist", "right_wrist")), rows_per_shard=8)
    arguments = ["finetune", str(folder / "recordings"), "--out", str(folder / "classifier"), "test_subjects=[c]"]
    assert main([*arguments, "epochs=1", "min_steps=100", "batch_size=16", "model.width=16", "model.depth=1"]) == 0
    return folder / "classifier"


@pytest.fixture
def own_store(blank_store, tmp_path, monkeypatch) -> str:
    """A tracking store of this test's own."""
    uri = f"sqlite:///{shutil.copy(blank_store, tmp_path / 'mlflow.db')}"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    monkeypatch.chdir(tmp_path)
    return uri


def registered(name: str, classifier: Path, score: float, data_sha: str = "same") -> None:
    with tracking.track("tune", name, TuneConfig(), data_sha=data_sha) as run:
        run.register(classifier, "val/macro_f1", score, note=f"Best trial of {name}")


def test_the_best_model_is_loaded_by_its_alias_and_labels_samples(classifier, own_store, recording):
    import mlflow

    registered("sweep", classifier, 0.8)
    mlflow.set_tracking_uri(own_store)
    model = mlflow.pyfunc.load_model("models:/m3n-wrist-har@best")
    for label in ("wave", "shake"):
        row = recording("new", seconds=6.0, subject="d", label=label)
        samples = pd.DataFrame(np.reshape(row["imu_right_wrist"], (-1, 6)), columns=sample_columns("right_wrist"))
        assert list(samples)[:2] == ["right_wrist_ax", "right_wrist_ay"]
        found = model.predict(samples)
        assert list(found) == ["start_s", "stop_s", "label", "confidence"]
        assert found["start_s"].tolist() == [0, 1, 2, 3, 4, 5]  # half a window of 2 s
        assert set(found["label"]) == {label}
        twice = samples.loc[samples.index.repeat(2)].reset_index(drop=True)  # 100 Hz
        assert set(model.predict(twice, params={"rate_hz": 100.0, "hop_s": 2.0})["label"]) == {label}
        with pytest.raises(Exception, match="probably in g"):
            model.predict(samples / 9.81)
    assert model.metadata.signature.inputs.input_names()[:2] == ["left_wrist_ax", "left_wrist_ay"]
    assert len(model.predict(model.input_example)) == 2


def test_the_alias_goes_to_the_better_one_and_a_model_is_registered_once(classifier, own_store, tmp_path):
    from mlflow import MlflowClient

    client = MlflowClient(own_store)

    def best() -> Any:
        return client.get_model_version_by_alias("m3n-wrist-har", "best")

    registered("first", classifier, 0.8)
    registered("worse", classifier, 0.7)
    assert (str(best().version), best().description) == ("1", "Best trial of first")
    registered("better", classifier, 0.9)
    assert (str(best().version), best().tags["score"]) == ("3", "0.9")
    registered("of other data", classifier, 0.5, data_sha="other")
    assert str(best().version) == "4"
    from m3n.tracking.registry import register

    record = {"metric": "val/macro_f1", "score": 0.5, "note": ""}
    register(client, best().run_id, classifier, record)  # as after an answer that was lost
    assert len(client.search_model_versions("name = 'm3n-wrist-har'")) == 4


def test_a_sweep_says_what_it_is_and_links_to_its_trials_in_parallel_coordinates(own_store):
    from mlflow import MlflowClient

    with tracking.track("tune", "weights", TuneConfig(), out=Path("runs/weights")) as sweep:
        sweep.compare(["pretrain.loss.text_imu"])
        for number, weight in enumerate((0.5, 2.0)):
            drawn = {"pretrain.loss.text_imu": weight}
            trial = tracking.trial(sweep, number, check(TuneConfig, updated({}, drawn)), drawn)
            trial.metrics({"val/macro_f1": weight / 4})
            trial.close("FINISHED")
    client = MlflowClient(own_store)
    experiment = client.get_experiment_by_name("m3n-tune")
    assert "| `val/macro_f1` | 0 to 1 | higher |" in experiment.tags["mlflow.note.content"]
    parent, *trials = client.search_runs([experiment.experiment_id], order_by=["attributes.start_time ASC"])
    assert [trial.data.tags["mlflow.parentRunId"] for trial in trials] == [parent.info.run_id] * 2
    assert [trial.data.params["pretrain.loss.text_imu"] for trial in trials] == ["0.5", "2.0"]
    assert [trial.info.run_name for trial in trials] == ["trial 000", "trial 001"]
    assert "| `pretrain.loss.text_imu` | 0.5 |" in trials[0].data.tags["mlflow.note.content"]
    note = parent.data.tags["mlflow.note.content"]
    assert "Result: `runs/weights`" in note
    key = re.search(rf"\(#/experiments/{experiment.experiment_id}/runs\?viewStateShareKey=([\w-]+)&", note).group(1)
    view = json.loads(experiment.tags[f"mlflow.sharedViewState.{key}"])
    assert {run.info.run_id for run in client.search_runs([experiment.experiment_id], view["searchFilter"])} == {
        trial.info.run_id for trial in trials
    }
    assert view["compareRunCharts"][0]["selectedParams"] == ["loss.text_imu"]
    assert [trial.data.params["loss.text_imu"] for trial in trials] == ["0.5", "2"]


def test_samples_that_cannot_be_labelled_are_refused_in_one_line(classifier):
    from m3n.export.samples import SamplesClassifier

    model = SamplesClassifier(classifier)
    samples = example_samples(["right_wrist"], 50.0, 4.0)
    with pytest.raises(InputError, match=r"found ax, right_wrist_ay.*expected left_wrist_ax, .* or right_wrist_ax"):
        model.predict(samples.rename(columns={"right_wrist_ax": "ax"}))
    with pytest.raises(InputError, match=r"found none of the model's names; expected left_wrist_ax"):
        model.predict(samples[[]])  # what MLflow leaves of columns with other names
    with pytest.raises(
        InputError, match=r"50 samples at 50 Hz are 1 s, shorter than the model's window of 2 s: .* 100 samples"
    ):
        model.predict(samples[:50])
    with pytest.raises(InputError, match="no samples"):
        model.predict(samples[:0])
    samples.loc[7, "right_wrist_gz"] = np.nan
    with pytest.raises(InputError, match="right_wrist, row 7"):
        model.predict(samples)


def test_the_model_holds_the_checkpoint_and_no_code(classifier, tmp_path):
    from m3n.tracking.registry import save

    save(classifier, tmp_path / "model")
    described = json.loads((classifier / "checkpoint.json").read_text())
    (data,) = (tmp_path / "model" / "data").iterdir()
    assert json.loads((data / "checkpoint.json").read_text()) == described
    assert {file.suffix for file in (tmp_path / "model").rglob("*")} <= {
        "",
        ".json",
        ".safetensors",
        ".yaml",
        ".txt",
        ".parquet",
        ".png",
    }
