"""The shared view of a sweep: its trials only, the best first, and every drawn setting as an axis."""

from __future__ import annotations

import json
import shutil

from m3n.config import TuneConfig
from m3n.tracking.views import share, view


def test_the_view_shows_one_sweeps_trials_with_an_axis_for_every_setting():
    found = view("abc123", ["loss.text_imu", "model.width"], "val/macro_f1")
    assert found["searchFilter"] == "tags.`mlflow.parentRunId` = 'abc123'"
    assert (found["orderByKey"], found["orderByAsc"]) == ("metrics.`val/macro_f1`", False)
    parallel, bars = found["compareRunCharts"]
    scaled, _ = view("abc123", ["loss.text_imu"], "val/macro_f1", ["lg loss.text_imu"])["compareRunCharts"]
    assert scaled["selectedParams"] == ["lg loss.text_imu"]
    assert (parallel["type"], parallel["selectedParams"]) == ("PARALLEL", ["loss.text_imu", "model.width"])
    assert (bars["type"], bars["metricKey"]) == ("BAR", "val/macro_f1")
    sections = {section["uuid"] for section in found["compareRunSections"]}
    assert {parallel["metricSectionId"], bars["metricSectionId"]} <= sections  # or MLflow would not draw them


def test_the_link_in_the_description_names_the_tag_that_holds_the_view(blank_store, tmp_path, monkeypatch):
    from mlflow import MlflowClient

    from m3n import tracking

    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{shutil.copy(blank_store, tmp_path / 'mlflow.db')}")
    monkeypatch.setenv("M3N_CACHE", str(tmp_path / "cache"))
    with tracking.track("tune", "weights", TuneConfig()):
        pass
    client = MlflowClient(tracking.tracking_uri())
    experiment = client.get_experiment_by_name("m3n-tune")
    (run,) = client.search_runs([experiment.experiment_id])
    share(client, run, ["loss.text_imu"], "val/macro_f1", "the rest")
    key = f"m3n-{run.info.run_id[:12]}"
    text = client.get_run(run.info.run_id).data.tags["mlflow.note.content"]
    assert f"viewStateShareKey={key}&" in text
    assert text.endswith("the rest")
    kept = client.get_experiment(experiment.experiment_id).tags[f"mlflow.sharedViewState.{key}"]
    assert json.loads(kept) == view(run.info.run_id, ["loss.text_imu"], "val/macro_f1")
