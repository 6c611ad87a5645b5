"""Every kind of place is listed and read, and what is none is answered with what to name instead."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

import m3n
from m3n import schema
from m3n.commands.view.places import Clips, Recordings, open_place
from m3n.config import ViewConfig
from m3n.errors import InputError
from m3n.io import tables

WRISTS = ("left_wrist", "right_wrist")
SKETCH = """
- {label: drink, sentences: [A person drinks.], seconds: [2, 3], phases: [{hand: table}, {hand: mouth}]}
- {label: walk, sentences: [A person walks.], posture: walking, seconds: [2, 3]}
"""


def written(folder: Path, rows: list[dict], columns: pa.Schema, rows_per_shard: int = 2) -> Path:
    folder.mkdir(parents=True)
    tables.write_table(folder, rows, columns, rows_per_shard)
    return folder


@pytest.fixture
def poses(pose_clip, tmp_path: Path) -> Path:
    rows = [pose_clip(f"c{i}", 61, label=f"l{i % 2}", subject=str(i)) for i in range(3)]
    return written(tmp_path / "data" / "poses", rows, schema.POSE_CLIPS)


def test_pose_clips_get_the_samples_of_ideal_sensors(poses: Path, pose_clip) -> None:
    place = open_place(poses, ViewConfig(placements=["head", "left_wrist"], rate_hz=50), 10)
    assert [entry.name for entry in place.entries] == ["c0", "c1", "c2"]
    clip, row = place.clip(2), pose_clip("c2", 61)
    expected = m3n.simulate(row["poses"], row["trans"], fps=30, placements=["head", "left_wrist"], rate_hz=50)
    assert list(clip.traces) == list(clip.motion.sensors) == ["head", "left_wrist"]
    for placement, trace in clip.traces.items():
        np.testing.assert_allclose(trace.samples, expected[placement], atol=1e-4)
    assert clip.seconds == pytest.approx(61 / 30)


def test_synthetic_clips_show_the_samples_of_the_table(synthetic_clip, tmp_path: Path) -> None:
    samples = np.random.default_rng(0).normal(size=(239, 6)).astype(np.float32)
    rows = [synthetic_clip("c0"), synthetic_clip("c1", imu_right_wrist=samples)]
    clip = open_place(written(tmp_path / "t", rows, schema.synthetic_clips(WRISTS)), ViewConfig(), 10).clip(1)
    np.testing.assert_array_equal(clip.traces["right_wrist"].samples, samples)
    assert clip.motion.quats.shape[1:] == (24, 4)


def test_a_damaged_row_is_named_when_it_is_asked_for(synthetic_clip, tmp_path: Path) -> None:
    row = synthetic_clip("bad")
    row["imu_left_wrist"] = np.full((len(row["imu_left_wrist"]), 6), np.inf, np.float32)
    folder = written(tmp_path / "t", [synthetic_clip("good"), row], schema.synthetic_clips(WRISTS))
    place = open_place(folder, ViewConfig(), 10)
    place.clip(0)
    with pytest.raises(InputError, match=r"part-00000.parquet row 1 \(clip 'bad'\): imu_left_wrist"):
        place.clip(1)


def test_a_long_recording_is_shown_in_stretches_of_ten_minutes(recording, tmp_path: Path) -> None:
    segments = [{"start_s": 595.0, "stop_s": 605.0, "label": "sit"}, {"start_s": 605.0, "stop_s": 700.0, "label": "walk"}]
    row = recording("long", 1300.0, 5.0, label=None, segments=segments)
    place = open_place(written(tmp_path / "r", [recording("short"), row], schema.imu_recordings()), ViewConfig(), 10)
    assert [(e.name, e.start_s, e.stop_s, e.label) for e in place.entries] == [
        ("short", 0, 4, "wave"), ("long", 0, 600, "sit"), ("long", 600, 1200, "sit, walk"), ("long", 1200, 1300, None),
    ]  # fmt: skip
    clip = place.clip(2)
    np.testing.assert_array_equal(clip.traces["right_wrist"].samples, row["imu_right_wrist"][3000:6001])
    assert [(p.start_s, p.stop_s, p.label) for p in clip.bands["labels"]] == [(0, 5, "sit"), (5, 100, "walk")]
    assert clip.motion is None


def test_a_file_of_sketches_shows_the_clips_that_ingest_would_make(tmp_path: Path) -> None:
    file = tmp_path / "moves.yaml"
    file.write_text(SKETCH)
    place = open_place(file, ViewConfig(clips=3, seed=5), 10)
    assert m3n.ingest("sketch", file, tmp_path / "out", m3n.commands.ingest.options_of("sketch")(clips=3, seed=5))
    shards = tables.shard_paths(tmp_path / "out" / "poses")
    rows = [row for shard in shards for row in tables.rows(tables.read_shard(shard, schema.POSE_CLIPS))]
    assert [e.name for e in place.entries] == [row["clip_id"] for row in rows]
    assert {e.label for e in place.entries} == {"drink", "walk"}
    expected = Clips(tmp_path / "out" / "poses", shards, ViewConfig(), 10).clip(0)
    np.testing.assert_allclose(place.clip(0).traces["right_wrist"].samples, expected.traces["right_wrist"].samples, atol=1e-4)


def test_predictions_show_labels_with_confidence(tmp_path: Path) -> None:
    parts = [
        ("rec", "p1", 0.0, 2.0, "wave", 0.9),
        ("rec", "p1", 2.0, 3.0, "unknown", 0.2),
        ("other", None, 0.0, 1.0, "sit", 0.8),
    ]
    names = ("recording_id", "subject", "start_s", "stop_s", "label", "confidence")
    tables.write_shard(tmp_path / "timeline.parquet", pa.Table.from_pylist([dict(zip(names, p, strict=True)) for p in parts]))
    tables.write_shard(tmp_path / "cells.parquet", pa.table({"recording_id": ["rec"]}))
    place = open_place(tmp_path, ViewConfig(), 10)
    assert [(e.name, e.subject, e.stop_s) for e in place.entries] == [("rec", "p1", 3.0), ("other", None, 1.0)]
    assert [(p.label, round(p.confidence, 3)) for p in place.clip(0).bands["predicted"]] == [("wave", 0.9), ("unknown", 0.2)]
    damaged = dict(zip(names, ("rec", "p1", 0.0, 2.0, "wave", float("nan")), strict=True))
    tables.write_shard(tmp_path / "timeline.parquet", pa.Table.from_pylist([damaged]))
    with pytest.raises(InputError, match="row 0 is not as `m3n predict` writes it"):
        open_place(tmp_path, ViewConfig(), 10)


def test_what_cannot_be_looked_at_is_answered_with_what_can(poses: Path, recording, tmp_path: Path) -> None:
    def message(place: Path, **settings: object) -> str:
        with pytest.raises(InputError) as error:
            open_place(place, ViewConfig(**settings), 10)
        return str(error.value)

    assert f"name one, as in `m3n view {poses}`" in message(poses.parent)
    assert "has no clip or recording 'c9', did you mean" in message(poses, id="c9")
    assert "has no label 'l9', did you mean" in message(poses, label=["l0", "l9"])
    assert "holds nothing with label=l1 and subject=0" in message(poses, label="l1", subject=0)
    assert "has no placement 'left_wirst', did you mean 'left_wrist'?" in message(poses, placements=["left_wirst"])
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "model.safetensors").touch()
    assert "is a checkpoint: label recordings with it" in message(tmp_path / "run")
    (tmp_path / "empty").mkdir()
    assert "holds no .parquet shard" in message(tmp_path / "empty")
    assert "does not exist" in message(tmp_path / "nowhere")
    tables.write_shard(tmp_path / "other.parquet", pa.table({"a": [1]}))
    assert "holds neither clips nor recordings" in message(tmp_path / "other.parquet")
    none = written(tmp_path / "none", [], schema.imu_recordings())
    tables.write_shard(none / "part-00000.parquet", schema.imu_recordings().empty_table())
    assert "holds no clip and no recording" in message(none)
    bad = recording("r") | {"rate_hz": 0.0}
    assert "(recording 'r') has no length" in message(written(tmp_path / "bad", [bad], schema.imu_recordings()))


def test_a_placement_that_one_shard_lacks_is_missing_there_alone(recording, tmp_path: Path) -> None:
    folder = written(tmp_path / "r", [recording("a")], schema.imu_recordings(("right_wrist",)))
    other = tables.to_table([recording("b", worn="head")], schema.imu_recordings(("head",)))
    tables.write_shard(folder / "part-00001.parquet", other)
    place = open_place(folder, ViewConfig(placements=["head"]), 10)
    assert isinstance(place, Recordings)
    assert place.clip(0).note == "Worn here: right_wrist."
    assert list(place.clip(1).traces) == ["head"]
