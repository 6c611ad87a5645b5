"""The calls that commands make: names of servers, runs and settings, and what a run appends to its journal."""

from __future__ import annotations

import json

import pytest

from m3n import tracking
from m3n.config import SimulateConfig
from m3n.errors import StoppedError
from m3n.tracking import outbox, reference, server_name, short_names
from m3n.tracking.outbox import Journal


def test_logins_are_not_kept():
    assert server_name("https://me:secret@mlflow.org/base") == "https://mlflow.org/base"
    assert server_name("sqlite:////tmp/mlflow.db") == "sqlite:////tmp/mlflow.db"


def test_the_store_is_a_local_file_unless_the_environment_names_a_server(tmp_path, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.chdir(tmp_path)
    assert tracking.tracking_uri() == "sqlite:///mlflow.db"
    assert tracking.absolute_uri() == f"sqlite:///{tmp_path}/mlflow.db"  # for a worker in another folder
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://10.0.0.5:5000")
    assert tracking.tracking_uri() == tracking.absolute_uri() == "http://10.0.0.5:5000"


def test_a_part_that_is_repeated_has_one_reference():
    parent = "m3n-0a1b"
    assert reference(parent, "cell-3") == reference(parent, "cell-3") == "m3n-0a1b-cell-3"
    assert reference("9f" * 16, "cell-3") == f"m3n-{'9f' * 16}-cell-3"  # a parent by MLflow's own id


def test_a_settings_name_on_a_chart_is_short_unless_two_would_share_it():
    assert short_names(["pretrain.loss.text_imu"]) == {"pretrain.loss.text_imu": "loss.text_imu"}
    both = ["pretrain.model.width", "finetune.model.width"]
    assert short_names(both) == {name: name for name in both}
    assert short_names(["pretrain.trials"]) == {"pretrain.trials": "pretrain.trials"}  # a sweep has a setting of that name


def test_a_run_appends_everything_in_order_and_leaves_out_what_is_not_finite(tmp_path, monkeypatch):
    monkeypatch.setenv("M3N_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:1")  # nobody answers: the journal stays
    run = tracking.start("simulate", "one", SimulateConfig(seed=5), out=tmp_path / "out", parent_id="m3n-parent")
    run.metrics({"a": 1.0, "b": float("nan")}, 3)
    run.metrics({"c": float("inf")}, 4)
    run.close("FAILED")
    run.metrics({"a": 2.0}, 5)  # after the end
    (file,) = outbox.root().glob(f"*/*/{outbox.JOURNAL}")
    records = [json.loads(line) for line in file.read_text().splitlines()]
    assert [record["kind"] for record in records] == ["run", "artifact", "metrics", "end"]
    first, config, metrics, end = records
    assert (first["params"]["seed"], first["parent"], first["experiment"]) == ("5", "m3n-parent", "m3n-simulate")
    assert (metrics["values"], metrics["step"], end["status"]) == ({"a": 1.0}, 3, "FAILED")
    assert "seed: 5" in (Journal(file.parent).folder / config["file"]).read_text()


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (ValueError("a fault"), "FAILED"),
        (StoppedError("the loss became nan", 2), "FAILED"),
        (StoppedError("stopped in epoch 3", 143), "KILLED"),
        (KeyboardInterrupt(), "KILLED"),
        (SystemExit(143), "KILLED"),
    ],
    ids=str,
)
def test_a_block_that_is_stopped_ends_its_run_as_killed_and_one_that_raises_as_failed(tmp_path, monkeypatch, error, status):
    monkeypatch.setenv("M3N_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:1")
    with pytest.raises(type(error)), tracking.track("simulate", "one", SimulateConfig()):
        raise error
    (file,) = outbox.root().glob(f"*/*/{outbox.JOURNAL}")
    assert json.loads(file.read_text().splitlines()[-1])["status"] == status


def test_runs_that_would_be_removed_with_a_job_are_named(tmp_path, monkeypatch, caplog):
    folder = tmp_path / "session" / "runtime_resources" / "working_dir_files" / "_ray_pkg_1"
    folder.mkdir(parents=True)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("M3N_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    tracking._warn_of_a_job()
    assert "removed" not in caplog.text
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    tracking._warn_of_a_job()
    assert f"runs go to sqlite:///{folder}/mlflow.db, which is removed with the files of this job" in caplog.text
