"""A time line of activities: it finds who did what when, however it is cut, and refuses what it cannot judge."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import m3n
from m3n import schema
from m3n.cli import main
from m3n.config import FinetuneConfig, ModelConfig, PredictConfig, WindowsConfig
from m3n.data.scale import check_scale
from m3n.data.timeline import CellMeans, cut_lazily, lay_out, stretches
from m3n.data.windows import Normaliser, cut_recordings, resample, resample_part
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


@pytest.mark.parametrize(("from_hz", "to_hz"), [(64.0, 50.0), (20.0, 50.0), (33.3, 50.0), (200.0, 50.0), (50.0, 50.0)])
def test_a_part_of_a_resampled_signal_is_that_part_of_the_whole(from_hz, to_hz):
    rng = np.random.default_rng(0)
    samples = (np.cumsum(rng.normal(size=(1700, 6)), axis=0) + 9.8).astype(np.float32)
    whole = resample(samples, from_hz, to_hz)
    for start, stop in ((0, 7), (0, len(whole)), (123, 345), (len(whole) - 20, len(whole))):
        np.testing.assert_allclose(resample_part(samples, from_hz, to_hz, start, stop), whole[start:stop], atol=1e-3)


def test_windows_cut_lazily_are_those_cut_at_once(recording):
    row = recording("a", 9.0, 33.3)
    once = cut_recordings([row], SHAPE, ["right_wrist"])
    layout = lay_out(row["n_samples"] / row["rate_hz"], SHAPE.window_s, SHAPE.hop_s)
    lazily = list(cut_lazily(row, layout, SHAPE, ["right_wrist"], 4))
    assert [len(w.label) for w in lazily[:-1]] == [4] * (len(lazily) - 1)
    joined = np.concatenate([w.imu_npt6 for w in lazily])
    np.testing.assert_allclose(joined[: len(once.imu_npt6)], once.imu_npt6, atol=1e-3)


def test_time_does_not_drift_where_a_fraction_stands_for_the_ratio_of_rates():
    """33.3 to 50 Hz is taken as 3/2: after an hour, samples counted at 50 Hz would be 3.6 s late."""
    n = round(3600 * 33.3)
    happened = (np.arange(n) / 33.3 > 3590).astype(np.float32)
    row = {"recording_id": "a", "subject": "s", "source": "t", "rate_hz": 33.3, "n_samples": n,
           "imu_right_wrist": np.repeat(happened[:, None], 6, axis=1)}  # fmt: skip
    *_, last = cut_lazily(row, lay_out(n / 33.3, 2.0, 1.0), SHAPE, ["right_wrist"], 64)
    window = int(np.flatnonzero(last.start_s == 3589)[0])
    assert np.argmax(last.imu_npt6[window, 0, :, 0] > 0.5) / 50 == pytest.approx(1.0, abs=0.05)


@pytest.mark.parametrize("duration_s", [0.4, 2.0, 2.1, 3.0, 9.0, 9.37])
@pytest.mark.parametrize("hop_s", [0.5, 0.7, 1.3, 2.0])
def test_every_cell_has_a_window_and_no_window_leaves_the_recording(duration_s, hop_s):
    layout = lay_out(duration_s, 2.0, hop_s)
    spanned = np.zeros(len(layout.edges_s) - 1, int)
    for begin, first, stop in zip(layout.begin_s, layout.first, layout.stop, strict=True):
        spanned[first:stop] += 1
        assert begin <= layout.edges_s[first] + 1e-9
        assert duration_s < 2.0 or layout.edges_s[stop] <= begin + 2.0 + 1e-9 <= duration_s + 1e-6
    assert spanned.min() >= 1
    assert layout.edges_s[0] == 0
    assert layout.edges_s[-1] == duration_s


def test_a_cell_is_the_mean_of_the_windows_that_span_it():
    means = CellMeans(lay_out(4.0, 2.0, 1.0), 2)  # windows at 0, 1 and 2 s over four cells
    means.add(np.array([[1.0, 0.0], [0.5, 0.5]]))
    means.add(np.array([[0.0, 1.0]]))
    np.testing.assert_allclose(means.means(), [[1, 0], [0.75, 0.25], [0.25, 0.75], [0, 1]])


def test_cells_of_one_label_make_one_stretch_with_the_mean_over_time():
    found = stretches(np.array([1, 1, 0]), np.array([0.9, 0.6, 0.8]), np.array([0.0, 1.0, 2.0, 2.5]))
    assert found == [(0.0, 2.0, 1, pytest.approx(0.75)), (2.0, 2.5, 0, pytest.approx(0.8))]


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


def test_rest_and_vigour_are_no_wrong_units():
    normaliser = Normaliser(acc=6.0, gyro=1.0)
    rest = np.tile(np.float32([0, 0, 9.81, 0.001, 0, 0]), (100, 1))
    check_scale(normaliser, [rest], "rest")
    check_scale(normaliser, [2.5 * rest + np.float32([0, 0, 0, 9, 0, 0])], "vigour")
    check_scale(normaliser, [np.zeros((4, 6), np.float32)], "a dead sensor")


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
