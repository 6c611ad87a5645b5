"""What counts as a login in a text, and that nothing a command leaves or says holds one."""

from __future__ import annotations

import logging
import os
import shutil
from pathlib import Path

import pytest

from m3n import schema
from m3n.cli import main
from m3n.errors import InputError, StoppedError
from m3n.io import storage, tables
from m3n.logins import hidden, without_logins
from m3n.tracking.uploader import reason


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("http://me:secret@host:5000/base", "http://***@host:5000/base"),
        ("postgresql+psycopg2://m3n:p@ss/word@db.lab/mlflow is down", "postgresql+psycopg2://***@db.lab/mlflow is down"),
        ("https://ghp_token@host/x", "https://***@host/x"),
        ("'s3://AKIA1:s3/cr+t=@bucket/key' and 's3://a:b@c'", "'s3://***@bucket/key' and 's3://***@c'"),
        ("s3://bucket/key?region=eu&secret_key=abc&scheme=http", "s3://bucket/key?region=eu&secret_key=***&scheme=http"),
        ("abfs://box/x?sig=abc%2F&se=2027", "abfs://box/x?sig=***&se=2027"),
        ("http://127.0.0.1:5000/a@b", "http://127.0.0.1:5000/a@b"),
        ("s3://bucket/mail@home/key", "s3://bucket/mail@home/key"),
        ("me:secret@host is no address", "me:secret@host is no address"),
        ("sqlite:////tmp/mlflow.db", "sqlite:////tmp/mlflow.db"),
    ],
)
def test_logins_of_addresses_are_hidden_and_nothing_else(text, expected):
    assert without_logins(text) == expected
    assert without_logins(expected) == expected
    assert hidden({"a": [text, 1], text: None}) == {"a": [expected, 1], expected: None}


def test_messages_hold_no_login():
    assert str(InputError("s3://me:secret@bucket is not there")) == "s3://***@bucket is not there"
    assert StoppedError("http://me:secret@host", 1).message == "http://***@host"
    assert (
        reason(RuntimeError("API request to http://me:secret@host/api failed")) == "API request to http://***@host/api failed"
    )


def test_nothing_that_commands_print_log_or_store_holds_a_password(
    bucket, pose_clip, recording, blank_store, tmp_path, monkeypatch, capfd, caplog
):
    """Passwords in the place of poses, in a setting, and in the address of a tracking server that is away."""
    place = storage.location(bucket)
    for name, row, columns in (("poses", pose_clip(), schema.POSE_CLIPS), ("real", recording(), schema.imu_recordings())):
        (tmp_path / name).mkdir()
        tables.write_table(tmp_path / name, [row], columns, 8)
        for file in tables.shard_paths(tmp_path / name):
            storage.write(place / name / file.name, file.read_bytes())
    login = bucket.replace("s3://", "s3://for:hunter1@")
    out, cache = tmp_path / "left" / "out", tmp_path / "left" / "cache"
    monkeypatch.setenv("M3N_CACHE", str(cache))
    caplog.set_level(logging.INFO)
    settings = [
        f"calibrate.recordings={login}/real",
        "calibrate.subjects=[s1]",
        "calibrate.quantiles=11",
        "placements=[right_wrist]",
    ]
    command = ["simulate", f"{login}/poses", "--out", str(out), "--json", str(tmp_path / "left" / "figures.json"), *settings]
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://me:hunter2@127.0.0.1:1")
    assert main(command) == 0
    assert main(["sync"]) == 0
    shutil.copy(blank_store, tmp_path / "left" / "mlflow.db")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/left/mlflow.db")
    assert main(command) == 0
    assert main(["simulate", f"{login}/nowhere", "--out", str(out)]) == 2
    captured = capfd.readouterr()
    said = captured.out + captured.err + caplog.text
    assert "127.0.0.1:1" in said
    assert "hunter" not in said
    files = [Path(folder) / name for folder, _, names in os.walk(tmp_path / "left") for name in names]
    assert {"manifest.json", "journal.jsonl", "config.yaml", "mlflow.db"} <= {file.name for file in files}
    assert [file for file in files if b"hunter" in file.read_bytes()] == []
    assert b"***@" in (tmp_path / "left" / "mlflow.db").read_bytes()
