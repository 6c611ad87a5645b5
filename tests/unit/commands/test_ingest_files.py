"""Folders of files become the same table whoever reads them: at once, piece by piece, resumed, by workers, from a store."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from fuzz.source_files import amass_arrays

from m3n import schema
from m3n.cli import main
from m3n.commands import ingest_files
from m3n.io import storage, tables

SETTINGS = ["max_rejected=0.3", "path={subject}/**", "rows_per_shard=2"]


@pytest.fixture(scope="module")
def motions(tmp_path_factory):
    """Four sound clips, one with a jump, one with a NaN, a file that is no npz, a person's shape, and a note."""
    folder = tmp_path_factory.mktemp("motions") / "amass"
    for number, name in enumerate(("ann/a", "ann/b", "ann-1/c", "bob/deep/d", "bob/jump", "bob/nan")):
        data = amass_arrays(156, 60, mocap_framerate=29.97)
        data["poses"][:] = np.eye(1, 156) * np.pi / 2  # upright in a world whose z is up
        data["trans"] = data["trans"] * 0 + 0.001 * np.arange(60)[:, None] * (number + 1)
        if name.endswith("jump"):
            data["trans"][30:] += 5.0
        if name.endswith("nan"):
            data["trans"][7] = np.nan
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        np.savez(folder / f"{name}.npz", **data)
    (folder / "bob/cut.npz").write_bytes(b"PK")
    np.savez(folder / "bob/shape.npz", betas=np.zeros(16))
    (folder / "LICENSE").write_text("ask first")
    return folder


def contents(folder):
    found = [*storage.files(folder), *storage.files(folder / tables.QUARANTINE)]
    return {str(file).removeprefix(f"{folder}/"): storage.read(file) for file in found}


def ingest(motions, out, *settings):
    status = main(["ingest", "amass", str(motions), "--out", str(out), "--json", "figures.json", *SETTINGS, *settings])
    return status or json.loads(Path("figures.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def at_once(motions):
    assert "files" not in ingest(motions, motions.parent / "out")  # a small folder has no pieces
    return contents(motions.parent / "out" / "poses")


def test_what_becomes_of_the_files_stands_in_the_manifest(at_once):
    manifest = json.loads(at_once["manifest.json"])
    assert sorted(at_once) == ["manifest.json", *(f"part-0000{k}.parquet" for k in range(3)), "quarantine/rejected.parquet"]
    assert manifest["rows"] == 6  # four clips, and the one with a jump is two
    assert [one["item"] for one in manifest["quarantined"]] == ["bob/cut", "bob/nan"]
    assert manifest["notes"]["files of a person's shape, passed over"]["count"] == 1
    assert manifest["notes"]["split_clips"]["count"] == 1
    assert "workers" not in manifest["config"]


@pytest.mark.parametrize("workers", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_pieces_give_the_bytes_of_a_folder_that_is_read_at_once(request, motions, at_once, tmp_path, workers, monkeypatch):
    if workers > 1:
        request.getfixturevalue("ray_cluster")
    monkeypatch.setattr(ingest_files, "_GROUP", 3)
    figures = ingest(motions, tmp_path / "out", f"workers={workers}")
    assert (figures["files"], figures["files_found_finished"], figures["poses_rejected"]) == (8, 0, 2)
    assert contents(tmp_path / "out" / "poses") == at_once


def test_an_interrupted_run_resumes_with_the_files_that_are_finished_and_unchanged(motions, at_once, tmp_path, capfd):
    work = shutil.copytree(motions, tmp_path / "amass")
    changed = work / "ann/b.npz"
    whole = changed.read_bytes()
    changed.write_bytes(b"PK")
    assert ingest(work, tmp_path / "out", "workers=1") == 2
    assert "resumes from there" in capfd.readouterr().err
    changed.write_bytes(whole)
    pieces = [f for f in storage.files(tmp_path / "out" / "poses.partial") if f.name.startswith("piece-")]
    assert len(pieces) == 8
    sound = max(pieces, key=lambda piece: piece.stat().st_size)
    os.truncate(sound, 1000)  # as by a power cut
    assert ingest(work, tmp_path / "out", "workers=1")["files_found_finished"] == 6
    assert contents(tmp_path / "out" / "poses") == at_once
    assert ingest(work, tmp_path / "out", "workers=1")["files_found_finished"] == 0  # no piece stays behind


def test_from_store_to_store_the_bytes_are_the_same(motions, at_once, bucket):
    stored = storage.location(f"{bucket}/amass")
    for file in motions.rglob("*"):
        if file.is_file():
            storage.write(stored / str(file.relative_to(motions)), file.read_bytes())
    assert main(["ingest", "amass", f"{bucket}/amass", "--out", f"{bucket}/out", *SETTINGS]) == 0
    assert contents(storage.location(f"{bucket}/out/poses")) == at_once
    assert main(["ingest", "amass", f"{bucket}/amass/ann/a.npz", "--out", f"{bucket}/one", "path={subject}/*"]) == 0
    (row,) = tables.rows(tables.read_shard(storage.location(f"{bucket}/one/poses/part-00000.parquet"), schema.POSE_CLIPS))
    assert row["subject"] == "ann"


def test_a_source_that_joins_files_says_that_one_process_reads_them(motions, tmp_path, capfd):
    assert main(["ingest", "romp", str(motions), "--out", str(tmp_path / "out"), "fps=30", "workers=2"]) == 2
    assert "romp joins files that hold a frame each" in capfd.readouterr().err
