"""`m3n predict`: it finds who did what when, however recordings are cut, and refuses what it cannot label."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import sensors

import m3n
from m3n import schema
from m3n.cli import main
from m3n.config import FinetuneConfig, ModelConfig, PredictConfig, WindowsConfig
from m3n.data.windows import cut_recordings
from m3n.io import tables
from m3n.training import checkpoint as checkpoints
from m3n.training.fit import fit

SHAPE = WindowsConfig(window_s=2.0, hop_s=0.5, rate_hz=50.0)
WRISTS = ("left_wrist", "right_wrist")
TINY = ModelConfig(width=16, depth=1, embedding=16)


@pytest.fixture(scope="module")
def classifier(recording, tmp_path_factory) -> Path:
    """A classifier of "shake" and "wave" that knows both wrists."""
    rows = []
    for i in range(4):
        for label in ("wave", "shake"):
            row = recording(f"{label}{i}", seconds=8.0, label=label, subject=f"s{i}")
            right = row[schema.imu_column("right_wrist")]
            rows.append(row | {schema.imu_column("left_wrist"): right * np.float32([1, -1, 1, -1, 1, -1])})
    config = FinetuneConfig(model=TINY, epochs=1, min_steps=60, lr=5e-3)
    fitted = fit(cut_recordings(rows, SHAPE, WRISTS), SHAPE, config, None)
    folder = tmp_path_factory.mktemp("predict") / "classifier"
    folder.mkdir()
    checkpoints.save(folder, fitted.checkpoint())
    return folder


def write(folder: Path, rows: list[dict], placements: tuple[str, ...] = WRISTS) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    tables.write_table(folder, rows, schema.imu_recordings(placements), rows_per_shard=2)
    return folder


def both(recording, name: str, parts: list[tuple[str, float]], rate_hz: float = 50.0) -> dict:
    """One recording of several activities in turn, on the right wrist."""
    pieces = [recording("x", seconds, rate_hz, label=label)[schema.imu_column("right_wrist")] for label, seconds in parts]
    samples = np.concatenate(pieces)
    return recording(name, rate_hz=rate_hz, label=None) | {
        "n_samples": len(samples), schema.imu_column("right_wrist"): samples,
    }  # fmt: skip


def refusal(capsys, *arguments: object) -> str:
    assert main(["predict", *map(str, arguments)]) == 2
    message = capsys.readouterr().err.strip()
    assert "\n" not in message
    return message


def test_the_time_line_tells_what_was_done_when(recording, classifier, tmp_path):
    table = write(tmp_path / "in", [both(recording, "a", [("wave", 20), ("shake", 30.5)]), recording("b", 7.3, label="shake")])
    out = tmp_path / "out"
    assert main(["predict", str(table), "--checkpoint", str(classifier), "--out", str(out), "hop_s=0.5"]) == 0
    lines = list(csv.DictReader((out / "timeline.csv").open(encoding="utf-8")))
    assert [(line["recording_id"], line["label"]) for line in lines] == [("a", "wave"), ("a", "shake"), ("b", "shake")]
    assert float(lines[0]["stop_s"]) == pytest.approx(20, abs=1.0)
    assert [float(lines[i]["stop_s"]) for i in (1, 2)] == pytest.approx([50.5, 7.3], abs=1e-3)
    assert all(0.5 < float(line["confidence"]) <= 1 for line in lines)
    assert pq.read_table(out / "timeline.parquet").column("label").to_pylist() == ["wave", "shake", "shake"]
    cells = pq.read_table(out / "cells.parquet")
    assert json.loads(cells.schema.metadata[b"classes"]) == ["shake", "wave"]
    assert cells.num_rows == 101 + 15
    np.testing.assert_allclose([sum(p) for p in cells.column("probabilities").to_pylist()], 1, atol=1e-5)
    assert json.loads((out / tables.MANIFEST).read_text())["recordings"] == 2
    assert (out / "timeline.png").stat().st_size > 5000


def test_batches_rates_and_single_shards_change_nothing(recording, classifier, tmp_path):
    table = write(tmp_path / "in", [both(recording, "a", [("wave", 12), ("shake", 11.7)], rate_hz=64.0)])

    def probabilities(where: Path, batch_size: int) -> np.ndarray:
        m3n.predict(where, classifier, tmp_path / "out", PredictConfig(batch_size=batch_size))
        return np.array(pq.read_table(tmp_path / "out" / "cells.parquet").column("probabilities").to_pylist())

    whole = probabilities(table, 1000)
    np.testing.assert_allclose(probabilities(table, 1), whole, atol=1e-5)
    np.testing.assert_allclose(probabilities(table / "part-00000.parquet", 3), whole, atol=1e-5)
    assert (whole.argmax(1)[[0, -1]] == [1, 0]).all()


def test_a_wrist_that_was_not_worn_is_done_without_and_an_ankle_alone_is_left_out(recording, classifier, tmp_path):
    columns = (*WRISTS, "left_ankle")
    rows = [
        recording("r", label="wave"),
        recording("ankle", worn="left_ankle"),
        recording("l", worn="left_wrist", label="shake"),
    ]
    figures = m3n.predict(write(tmp_path / "in", rows, columns), classifier, tmp_path / "out")
    assert (figures["recordings"], figures["left_out"]) == (2, 1)
    timeline = pq.read_table(tmp_path / "out" / "timeline.parquet")
    assert timeline.column("recording_id").to_pylist() == ["r", "l"]
    assert timeline.column("label").to_pylist() == ["wave", "shake"]
    quarantine = pq.read_table(tmp_path / "out" / "quarantine" / "rejected.parquet").to_pylist()
    assert [row["item"] for row in quarantine] == ["ankle"]


def test_what_is_not_likely_enough_is_unknown(recording, classifier, tmp_path):
    figures = m3n.predict(
        write(tmp_path / "in", [recording()]), classifier, tmp_path / "out", PredictConfig(min_confidence=0.999)
    )
    assert list(figures["seconds_of"]) == ["unknown"]


def test_an_accelerometer_alone_is_classified(recording, classifier, tmp_path):
    row = recording()
    row["imu_right_wrist"][:, 3:] = np.nan
    assert m3n.predict(write(tmp_path / "in", [row]), classifier, tmp_path / "out")["cells"] == 4


def test_mistakes_end_in_one_line_and_leave_nothing(recording, classifier, tmp_path, capsys):
    table, out = write(tmp_path / "in", [recording()]), tmp_path / "out"
    ankles = write(tmp_path / "ankles", [recording(worn="left_ankle")], ("left_ankle",))
    told = ("--checkpoint", classifier, "--out", out)
    assert "left_wrist, right_wrist" in refusal(capsys, ankles, *told)
    assert "hop_s" in refusal(capsys, table, *told, "hop_s=3")
    assert "checkpoint.json" in refusal(capsys, table, "--checkpoint", tmp_path / "in", "--out", out)
    assert "does not exist" in refusal(capsys, tmp_path / "nothing", *told)
    assert "holds the input" in refusal(capsys, table, "--checkpoint", classifier, "--out", tmp_path)
    broken = recording("broken")
    broken["imu_right_wrist"][7, 2] = np.inf
    assert "row 1 (recording 'broken')" in refusal(capsys, write(tmp_path / "b", [recording(), broken]), *told)
    hasty = write(tmp_path / "hasty", [recording("hasty", rate_hz=50.0) | {"rate_hz": 1e6}])
    assert "1e+06 Hz" in refusal(capsys, hasty, *told)
    other = tmp_path / "pretrained"
    other.mkdir()
    checkpoints.save(other, replace(checkpoints.load(classifier, "classifier"), kind="multi3net"))
    assert "m3n finetune" in refusal(capsys, table, "--checkpoint", other, "--out", out)
    assert not out.exists()


@pytest.mark.parametrize(("channels", "factor", "unit"), [
    (slice(0, 3), 1 / 9.80665, "in g "), (slice(0, 3), 1000 / 9.80665, "thousandths of g"),
    (slice(3, 6), 180 / np.pi, "degrees per second"),
])  # fmt: skip
def test_units_that_the_classifier_was_not_trained_on_are_named(
    recording, classifier, tmp_path, capsys, channels, factor, unit
):
    row = recording("wrong")
    row["imu_right_wrist"][:, channels] *= factor
    message = refusal(capsys, write(tmp_path / "in", [row]), "--checkpoint", classifier, "--out", tmp_path / "out")
    assert unit in message
    assert "recording 'wrong'" in message


def test_clock_time_is_shown_where_a_recording_knows_it(recording, classifier, tmp_path):
    began = datetime(2022, 3, 29, 5, 25, 21, 123_000, tzinfo=UTC)
    rows = [both(recording, "a", [("wave", 20), ("shake", 30)]) | {"started_at": began}, recording("b", 7.3, label="shake")]
    m3n.predict(write(tmp_path / "in", rows), classifier, tmp_path / "out")
    lines = list(csv.DictReader((tmp_path / "out" / "timeline.csv").open(encoding="utf-8")))
    assert lines[0]["start_time"] == "2022-03-29T05:25:21.123Z"
    assert lines[1]["stop_time"] == "2022-03-29T05:26:11.123Z"
    assert (lines[2]["start_time"], lines[2]["stop_time"]) == ("", "")
    table = pq.read_table(tmp_path / "out" / "timeline.parquet").to_pylist()
    assert table[0]["start_time"] == began
    assert table[2]["start_time"] is None


def test_a_table_without_clock_time_is_still_read(recording, classifier, tmp_path):
    table = tables.to_table([recording("a", label="wave")], schema.imu_recordings(WRISTS)).drop_columns(["started_at"])
    (tmp_path / "in").mkdir()
    tables.write_shard(tmp_path / "in" / "part-00000.parquet", table)
    assert m3n.predict(tmp_path / "in", classifier, tmp_path / "out")["recordings"] == 1


def test_a_gyroscope_that_is_57_times_too_small_is_refused(classifier, recording, tmp_path, capsys):
    force, rate = sensors.worn_sensor(np.arange(0, 20, 0.02))
    row = recording("wrong", 20.0) | {schema.imu_column("right_wrist"): np.concatenate([force, np.radians(rate)], axis=1)}
    message = refusal(capsys, write(tmp_path / "in", [row]), "--checkpoint", classifier, "--out", tmp_path / "out")
    assert "recording 'wrong'" in message
    assert "times too small for how gravity turns" in message


def test_a_shard_larger_than_memory_is_read_row_by_row(recording, tmp_path):
    table = pa.concat_tables([tables.to_table([recording(f"r{i}", 600.0)], schema.imu_recordings(WRISTS)) for i in range(30)])
    tables.write_shard(tmp_path / "one.parquet", table)
    before = pa.total_allocated_bytes()
    peak = max(
        pa.total_allocated_bytes() - before
        for row in tables.rows_in_turn(tmp_path / "one.parquet", schema.imu_recordings(WRISTS))
        if row["imu_left_wrist"] is None
    )
    assert peak < table.nbytes / 3
