"""The video demo runs the commands that a user would type, on a zip, a folder or a file."""

from __future__ import annotations

import json
import zipfile

import pytest
from films import balancing

from m3n.cli import main
from m3n.commands.demo_video import demo_video
from m3n.errors import InputError
from m3n.io import storage


@pytest.fixture(scope="module")
def films(tmp_path_factory):
    return balancing(tmp_path_factory.mktemp("films") / "clips")


def commands_of(data, out):
    ran = []

    def run(arguments):
        ran.append(arguments)
        if arguments[:2] == ["ingest", "video"]:
            storage.write(_made(out) / "manifest.json", json.dumps({"rows": 2, "seconds": 1.4}).encode())

    figures = demo_video(data, out, run, lambda said: None)
    return ran, figures


def _made(out):
    folder = out / "filmed" / "poses"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def test_a_zip_is_unpacked_and_its_labels_are_used(films, tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.write(films / "film.mp4", "far/film.mp4")
        archive.write(films / "labels.csv", "../labels.csv")
        archive.writestr("far/._film.mp4", b"of a Mac")
        archive.writestr("notes.txt", b"none")
    for _ in range(2):  # the second run replaces the first
        ran, figures = commands_of(tmp_path / "a.zip", tmp_path / "out")
    videos = tmp_path / "out" / "videos"
    assert sorted(file.name for file in videos.iterdir()) == ["film.mp4", "labels.csv"]
    assert not (tmp_path / "labels.csv").exists()
    assert ran[0][:3] == ["ingest", "video", str(videos)]
    assert ran[0][-1] == f"labels={videos / 'labels.csv'}"
    assert [command[0] for command in ran] == ["ingest", "simulate", "report", "view"]
    assert figures["clips"] == 2


def test_a_folder_or_a_film_is_read_where_it_is(films, tmp_path):
    assert str(films) in commands_of(films, tmp_path / "one")[0][0]
    ran, _ = commands_of(films / "film.mp4", tmp_path / "two")
    assert str(films / "film.mp4") in ran[0]
    assert not any(word.startswith("labels=") for word in ran[0])


def test_what_holds_no_films_is_refused(films, tmp_path, capfd):
    (tmp_path / "bad.zip").write_bytes(b"PK no zip")
    with pytest.raises(InputError, match=r"bad.zip: cannot be read as a zip"):
        commands_of(tmp_path / "bad.zip", tmp_path / "out")
    with zipfile.ZipFile(tmp_path / "twice.zip", "w") as archive:
        archive.writestr("a/film.mp4", b"1")
        archive.writestr("b/film.mp4", b"2")
    with pytest.raises(InputError, match=r"twice.zip: holds two files called film.mp4; unpack it"):
        commands_of(tmp_path / "twice.zip", tmp_path / "out")
    with pytest.raises(InputError, match=r"--data .*none.zip does not exist"):
        commands_of(tmp_path / "none.zip", tmp_path / "out")
    for wrong in (["demo", "video"], ["demo", "--data", "x"]):
        assert main(wrong) == 2
        assert "expected `m3n demo`, or `m3n demo video --data PLACE`" in capfd.readouterr().err
