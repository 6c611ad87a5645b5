"""`m3n doctor`: a healthy surrounding passes, and each thing that is wrong is named, with what to do and exit status 1."""

from __future__ import annotations

import json
import os
import socket
import threading
import time
from collections.abc import Iterator
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

import m3n
from m3n.cli import main
from m3n.commands.doctor.command import tested_versions as pinned_versions


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")


def closed_port() -> int:
    """A port on loopback where nothing listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


def checks(file: Path, *arguments: str) -> tuple[int, dict[str, dict[str, str]]]:
    """(exit status, name -> check) of a run without Ray."""
    status = main(["doctor", "--no-ray", "--json", str(file), *arguments])
    return status, {check["name"]: check for check in json.loads(file.read_text())["checks"]}


def test_healthy_surroundings_pass_with_a_line_each_and_leave_nothing_behind(tmp_path, capsys):
    status, found = checks(tmp_path / "figures.json", "--storage", str(tmp_path / "new" / "folder"))
    assert status == 0
    assert {c["status"] for c in found.values()} <= {"OK", "warning"}
    assert "Ray" not in found
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[: len(found)]] == [check["status"] for check in found.values()]
    assert f"m3n {m3n.__version__}" in found["versions"]["found"]
    assert "stand-in" in found["body model"]["found"]
    assert not list(Path.cwd().iterdir())
    assert not (tmp_path / "new").exists()


def test_every_problem_comes_with_something_to_do(tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{closed_port()}")
    _, found = checks(tmp_path / "figures.json", "--storage", "/dev/null/x")
    assert all(check["advice"] for check in found.values() if check["status"] != "OK")


def test_a_folder_that_cannot_be_written_fails(tmp_path, capsys):
    (tmp_path / "file").write_text("in the way")
    status, found = checks(tmp_path / "figures.json", "--storage", str(tmp_path / "file" / "data"))
    assert status == 1
    assert found["storage"]["status"] == "failure"
    assert "choose another place" in found["storage"]["advice"]
    assert capsys.readouterr().err == f"m3n: 1 of {len(found)} checks failed\n"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_working_folder_without_permission_fails(tmp_path):
    Path.cwd().chmod(0o500)
    status, found = checks(tmp_path / "figures.json")
    assert status == 1
    assert "cannot write" in found["working folder"]["found"]


def test_an_mlflow_server_that_does_not_answer_fails_and_its_password_is_not_shown(tmp_path, monkeypatch, capsys):
    address = f"127.0.0.1:{closed_port()}"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://me:secret@{address}")
    status, found = checks(tmp_path / "figures.json")
    assert status == 1
    assert f"http://{address} does not answer" in found["MLflow"]["found"]
    assert "secret" not in capsys.readouterr().out


def test_a_file_that_is_no_database_of_mlflow_fails(tmp_path, monkeypatch):
    (tmp_path / "other.db").write_text("something else entirely")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'other.db'}")
    status, found = checks(tmp_path / "figures.json")
    assert (status, found["MLflow"]["status"]) == (1, "failure")


def test_a_folder_without_body_models_fails(tmp_path, monkeypatch):
    monkeypatch.setenv("M3N_BODY_MODELS", str(tmp_path / "bodies"))
    status, found = checks(tmp_path / "figures.json")
    assert (status, found["body model"]["status"]) == (1, "failure")
    assert "unset M3N_BODY_MODELS" in found["body model"]["found"]


def test_a_damaged_body_model_fails(tmp_path, monkeypatch):
    (tmp_path / "SMPL_NEUTRAL.npz").write_bytes(b"not a zip")
    monkeypatch.setenv("M3N_BODY_MODELS", str(tmp_path))
    status, found = checks(tmp_path / "figures.json")
    assert status == 1
    assert "SMPL_NEUTRAL.npz" in found["body model"]["found"]


def test_a_cluster_that_does_not_answer_fails_at_once(tmp_path):
    address = f"127.0.0.1:{closed_port()}"
    assert main(["doctor", "--address", address, "--json", str(tmp_path / "figures.json")]) == 1
    check = json.loads((tmp_path / "figures.json").read_text())["checks"][-1]
    assert (check["name"], check["status"]) == ("Ray", "failure")
    assert f"no Ray cluster answers at {address}" in check["found"]


@pytest.fixture
def late_server() -> Iterator[str]:
    """An HTTP server whose clock is an hour slow."""

    class Late(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()

        def date_time_string(self, timestamp: float | None = None) -> str:
            return formatdate(time.time() - 3600, usegmt=True)

        def log_message(self, *arguments: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Late)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_a_clock_an_hour_from_the_servers_fails(tmp_path, monkeypatch, late_server):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", late_server)
    status, found = checks(tmp_path / "figures.json")
    assert (status, found["MLflow"]["status"], found["clock"]["status"]) == (1, "OK", "failure")
    assert "ahead of" in found["clock"]["found"]
    seconds = int(found["clock"]["found"].split(" s ahead")[0].rsplit(" ", 1)[1])
    assert seconds == pytest.approx(3600, abs=10)


def test_a_store_is_written_and_its_clock_compared(tmp_path, bucket, monkeypatch):
    status, found = checks(tmp_path / "figures.json", "--storage", bucket)
    assert (status, found["storage"]["status"], found["clock"]["status"]) == (0, "OK", "OK")
    assert "as http://127.0.0.1:" in found["clock"]["found"]
    status, found = checks(tmp_path / "figures.json", "--storage", "s3://no-such-bucket/data")
    assert (status, found["storage"]["status"]) == (1, "failure")


def test_pins_are_read_without_comments_and_extras(tmp_path):
    (tmp_path / "constraints.txt").write_text("# made with pip==1.0\ntorch==2.13.0\nray-x.y==2.60.0\n")
    assert pinned_versions(tmp_path / "constraints.txt") == {"torch": "2.13.0", "ray-x.y": "2.60.0"}
    assert pinned_versions(tmp_path / "none.txt") == {}
