"""`m3n view` from the command line: a page with the clips that were asked for, or one line of what is wrong."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from m3n import schema
from m3n.cli import main
from m3n.commands.view.command import server
from m3n.config import ViewConfig
from m3n.io import tables


@pytest.fixture
def recordings(recording, tmp_path: Path) -> Path:
    folder = tmp_path / "recordings"
    folder.mkdir()
    tables.write_table(folder, [recording(f"r{i}", label=f"l{i % 2}") for i in range(30)], schema.imu_recordings(), 8)
    return folder


def test_save_writes_one_page_with_its_clips_inside(recordings: Path, tmp_path: Path) -> None:
    file, figures = tmp_path / "page.html", tmp_path / "figures.json"
    assert main(["view", str(recordings), "--save", str(file), "--json", str(figures), "label=l1", "most=3"]) == 0
    data = json.loads(file.read_text().split('id="data">')[1].split("</script>")[0])
    assert [entry[1] for entry in data["entries"]] == ["l1"] * 3
    assert set(data["clips"]) == {"0", "1", "2"}
    assert data["notice"].startswith("3 of 15 are listed")
    assert data["body"] is None  # no clip has a body, so the page stays small
    assert json.loads(figures.read_text())["clips"] == 3


def test_the_server_lists_without_reading_samples(recordings: Path) -> None:
    made, address, entries = server(recordings, None, ViewConfig(port=0))
    with made:
        assert (address, entries) == (f"http://127.0.0.1:{made.server_port}", 30)


def test_mistakes_are_one_line(recordings: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for arguments, said in (
        ([str(tmp_path / "nowhere")], "does not exist"),
        ([str(recordings), "id=r99", "--save", str(tmp_path / "page.html")], "did you mean 'r9'?"),
        ([str(recordings), "labels=l1"], "did you mean 'label'?"),
        ([str(recordings), "--save", str(tmp_path)], str(tmp_path)),
    ):
        assert main(["view", *arguments]) == 2
        error = capsys.readouterr().err
        assert said in error
        assert len(error.splitlines()) == 1
    assert not (tmp_path / "page.html").exists()
