"""Videos are ingested piece by piece: what is finished is found again, and the table is the same whoever made the pieces."""

from __future__ import annotations

import json
import os

import pytest
from films import balancing

from m3n.cli import main
from m3n.io import storage, tables


@pytest.fixture(scope="module")
def films(tmp_path_factory):
    return balancing(tmp_path_factory.mktemp("films") / "clips")


def contents(folder):
    found = [*storage.files(folder), *storage.files(folder / tables.QUARANTINE)]
    return {str(file).removeprefix(f"{folder}/"): storage.read(file) for file in found}


def ingest(films, out, *settings):
    arguments = ["ingest", "video", str(films), "--out", str(out), "--json", "figures.json", f"labels={films}/labels.csv"]
    status = main([*arguments, *settings])
    return status or json.loads(open("figures.json", encoding="utf-8").read())


@pytest.fixture(scope="module")
def undisturbed(films):
    assert ingest(films, films.parent / "out", "workers=1")["stretches_found_finished"] == 0
    return contents(films.parent / "out" / "poses")


def test_each_row_of_the_labels_is_a_clip_and_no_piece_stays_behind(undisturbed):
    assert sorted(undisturbed) == ["manifest.json", "part-00000.parquet"]
    manifest = json.loads(undisturbed["manifest.json"])
    assert list(manifest["inputs"]) == ["film.mp4"]
    assert "workers" not in manifest["config"]
    assert manifest["rows"] == 2


def test_an_interrupted_run_is_resumed_with_what_is_finished(films, undisturbed, tmp_path, capfd):
    labels = (films / "labels.csv").read_text()
    (films / "more.mp4").write_bytes(b"no film")  # one video of two is lost
    (films / "labels.csv").write_text(labels + "more.mp4,,,balance\n")
    assert ingest(films, tmp_path / "out", "max_rejected=0.2", "workers=1") == 2
    assert "resumes from there" in capfd.readouterr().err
    (films / "more.mp4").unlink()
    (films / "labels.csv").write_text(labels)
    pieces = storage.files(tmp_path / "out" / "poses.partial", ".parquet")
    finished = [piece for piece in pieces if piece.name.startswith("piece-")]
    assert len(finished) == 2
    os.truncate(finished[0], 1000)  # as by a power cut
    assert ingest(films, tmp_path / "out", "workers=1")["stretches_found_finished"] == 1
    assert contents(tmp_path / "out" / "poses") == undisturbed


@pytest.mark.parametrize("workers", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_from_store_to_store_the_bytes_are_the_same(request, films, undisturbed, bucket, workers):
    if workers > 1:
        request.getfixturevalue("ray_cluster")
    clips = storage.location(f"{bucket}/clips")
    for name in ("film.mp4", "labels.csv"):
        storage.write(clips / name, (films / name).read_bytes())
    settings = [f"labels={bucket}/clips/labels.csv", f"workers={workers}"]
    assert main(["ingest", "video", f"{bucket}/clips", "--out", f"{bucket}/out", *settings]) == 0
    found = contents(storage.location(f"{bucket}/out/poses"))
    assert found["part-00000.parquet"] == undisturbed["part-00000.parquet"]
    assert json.loads(found["manifest.json"])["inputs"] == json.loads(undisturbed["manifest.json"])["inputs"]


def test_a_source_that_reads_local_files_says_so(tmp_path, capfd):
    assert main(["ingest", "asf_amc", "s3://bucket/poses", "--out", str(tmp_path)]) == 2
    assert "asf_amc reads local files: copy s3://bucket/poses to this machine first" in capfd.readouterr().err
