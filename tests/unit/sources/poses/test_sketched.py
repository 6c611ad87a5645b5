"""`m3n ingest sketch`: rows of pose clips that pass m3n's own checks, shared out by weight, with what was corrected counted."""

from __future__ import annotations

from collections import Counter

import pyarrow.parquet as pq
import pytest

from m3n.commands.ingest import ingest, options_of
from m3n.errors import InputError
from m3n.io.tables import shard_paths
from m3n.motion.sketch import Sketch
from m3n.schema import Rejected, check_pose_clip
from m3n.sources.poses.sketched import Options, pose_clips, shared_out
from m3n.sources.shared.ingest_notes import Notes
from m3n.sources.shared.plausibility import plausible

MOVES = """
- {label: lie, sentences: [A person lies.], posture: lying, seconds: 2}
- {label: sit down, sentences: [A person sits down.], from: standing, to: sitting, seconds: 1}
- {label: rub the belly, sentences: [A person rubs the belly.], seconds: 2, hand: right,
   phases: [{hand: [-0.18, -0.3, 0.05], circle: 0.05}]}
"""


@pytest.fixture
def moves(tmp_path):
    file = tmp_path / "moves.yaml"
    file.write_text(MOVES, encoding="utf-8")
    return file


def test_clips_are_valid_rows_that_show_moving_people(moves):
    options = Options(clips=6, fps=30)
    rows = list(plausible(pose_clips(moves, options), options))
    assert [row for row in rows if isinstance(row, Rejected) or check_pose_clip(row) is not None] == []
    assert set(Counter(row["label"] for row in rows)) == {"lie", "sit down", "rub the belly"}
    assert len({row["clip_id"] for row in rows}) == 6


def test_the_table_has_segments_and_the_summary_counts_corrections(moves, tmp_path):
    figures = ingest("sketch", moves, tmp_path / "out", options_of("sketch")(clips=3, fps=30))
    assert figures["poses"] == 3
    assert figures["clips whose hand was kept out of the body"] == 1
    rows = pq.read_table(shard_paths(tmp_path / "out" / "poses")[0], columns=["label", "segments"]).to_pylist()
    segments = {row["label"]: row["segments"] for row in rows}
    assert segments["lie"] is None
    assert [s["label"] for s in segments["sit down"]] == ["standing", "sit down", "sitting"]


def test_clips_are_shared_by_weight_whatever_their_number():
    sketches = {name: Sketch(name, ("x",), weight=weight) for name, weight in (("a", 1.0), ("b", 3.0), ("c", 0.0))}
    many = list(shared_out(sketches, 400, 0))
    assert abs(Counter(many)["b"] - 300) <= 3
    assert "c" not in many
    assert many[:10] == list(shared_out(sketches, 10, 0))


def test_more_clips_leave_the_first_ones_as_they_are(moves):
    few, more = (list(pose_clips(moves, Options(clips=n, fps=30), Notes())) for n in (1, 2))
    assert (few[0]["poses"] == more[0]["poses"]).all()


def test_the_number_of_processes_changes_nothing(moves):
    alone, together = (list(pose_clips(moves, Options(clips=20, fps=20, workers=n))) for n in (1, 2))
    assert [row["clip_id"] for row in alone] == [row["clip_id"] for row in together]
    assert all((a["poses"] == b["poses"]).all() for a, b in zip(alone, together, strict=True))


def test_weights_of_nothing_but_zero_are_refused():
    with pytest.raises(InputError, match="weights of all sketches are 0"):
        next(shared_out({"a": Sketch("a", ("x",), weight=0.0)}, 1, 0))


def test_a_mistake_in_the_file_stops_ingest_with_its_place(moves, tmp_path):
    moves.write_text(MOVES.replace("posture: lying", "posture: laying"), encoding="utf-8")
    with pytest.raises(InputError, match=r"moves\.yaml line 2, column 54: unknown posture 'laying', did you mean 'lying'"):
        ingest("sketch", moves, tmp_path / "out", options_of("sketch")(clips=1))
    assert not (tmp_path / "out" / "poses").exists()
