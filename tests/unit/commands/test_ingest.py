"""Ingest keeps valid rows, quarantines the others with the reason, and leaves nothing of an input that is mostly bad."""

from __future__ import annotations

import sys
import types

import pytest

from m3n import sources
from m3n.commands.ingest import ingest
from m3n.config import Options
from m3n.errors import InputError
from m3n.io import tables
from m3n.schema import Rejected


@pytest.fixture
def source(monkeypatch):
    """source(items): makes "made_up" a source of poses that yields these items, without a file."""

    def make(items: list) -> str:
        module = types.ModuleType("made_up")
        module.Options = type("Options", (Options,), {})  # type: ignore[attr-defined]

        def pose_clips(path: object | None, options: object) -> object:
            yield from items

        pose_clips.__annotations__["path"] = "Path | None"
        module.pose_clips = pose_clips  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "made_up", module)
        monkeypatch.setattr(sources, "load", lambda name: module)
        return "made_up"

    return make


def test_a_duplicate_id_goes_to_quarantine_and_the_first_row_stays(source, pose_clip, tmp_path):
    rows = [pose_clip(f"c{i}", 30, 30.0) for i in range(30)]
    found = ingest(source([*rows, pose_clip("c3", 99, 30.0)]), None, tmp_path)
    assert (found["poses"], found["poses_rejected"]) == (30, 1)
    assert found["poses_seconds"] == pytest.approx(30 * 29 / 30)
    (lines,) = (tmp_path / "poses" / "quarantine").iterdir()
    assert "duplicate clip_id 'c3'" in (lines.read_bytes().decode(errors="replace"))


def test_too_many_bad_rows_leave_nothing(source, pose_clip, tmp_path):
    items = [pose_clip("good"), Rejected("bad", "no frames"), Rejected("worse", "no joints")]
    with pytest.raises(InputError, match=r"bad: no frames \(and 1 more of 3\); fix these rows, or raise max_rejected"):
        ingest(source(items), None, tmp_path / "out")
    assert not (tmp_path / "out" / "poses").exists()


def test_a_file_that_does_not_exist_is_named(source, tmp_path):
    with pytest.raises(InputError, match=r"absent\.npz does not exist"):
        ingest(source([]), tmp_path / "absent.npz", tmp_path / "out")


def test_a_source_that_reads_files_asks_for_one(tmp_path):
    with pytest.raises(InputError, match="bvh reads a file or folder: give its path, as in `m3n ingest bvh PATH --out"):
        ingest("bvh", None, tmp_path / "out")


def test_an_empty_source_is_refused(source, tmp_path):
    with pytest.raises(InputError, match="made_up is empty: expected at least one row"):
        ingest(source([]), None, tmp_path / "out")
    assert not list(tmp_path.rglob(tables.MANIFEST))
