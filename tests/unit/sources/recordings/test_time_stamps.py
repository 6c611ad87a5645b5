"""Time stamps of every kind that loggers write become the right seconds, or a line that says what is wrong with which."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import sensors
from logger_files import CLOCK, HEADER, error_of, ingested, lines, refused, write

from m3n.cli import main
from m3n.sources.recordings.time_stamps import named_unit
from m3n.sources.shared.ingest_notes import Notes

BERLIN = ZoneInfo("Europe/Berlin")


def moments(start: datetime) -> list[datetime]:
    return [start + timedelta(seconds=float(t)) for t in CLOCK]


AUTUMN = moments(datetime(2023, 10, 29, 0, 59, 50, tzinfo=UTC))  # clocks go back ten seconds later
SPRING = moments(datetime(2023, 3, 26, 0, 59, 50, tzinfo=UTC))
NIGHT = moments(datetime(2023, 5, 31, 23, 59, 50))


@pytest.mark.parametrize(
    "spelled",
    [
        lambda m: m.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        lambda m: m.astimezone(timezone(timedelta(hours=-7))).isoformat(timespec="microseconds"),
        lambda m: m.astimezone(BERLIN).isoformat(timespec="milliseconds"),  # the zone's offset changes in the middle
        lambda m: m.strftime("%Y-%m-%d %H:%M:%S.%f+0000"),
        lambda m: m.strftime("%Y/%m/%d %H:%M:%S.%f UTC"),
    ],
)
def test_dates_with_a_zone_are_one_recording_that_knows_when_it_began(tmp_path: Path, spelled) -> None:
    (row,) = ingested(write(tmp_path / "a.csv", lines([spelled(m) for m in AUTUMN])))
    assert (row["n_samples"], row["rate_hz"]) == (1000, 50.0)
    assert row["started_at"] == datetime(2023, 10, 29, 0, 59, 50, tzinfo=UTC)
    assert error_of(row) < 0.03


@pytest.mark.parametrize(
    ("form", "cut"),
    [
        ("%d.%m.%Y %H:%M:%S.%f", 0),
        ("%m/%d/%Y %I:%M:%S.%f %p", 0),
        ("%H:%M:%S.%f", 0),
        ("%H:%M:%S:%f", 3),
        ("%Y%m%d %H:%M:%S,%f", 3),
    ],
)
def test_dates_without_a_zone_go_on_after_midnight_and_do_not_pretend_to_know_it(tmp_path: Path, form: str, cut: int) -> None:
    spelled = [m.strftime(form)[: -cut or None] for m in NIGHT]
    (row,) = ingested(
        write(
            tmp_path / "a.csv",
            [HEADER, *(f'"{s}",{line.split(",", 1)[1]}' for s, line in zip(spelled, lines()[1:], strict=True))],
        )
    )
    assert (row["n_samples"], row["rate_hz"], row["started_at"]) == (1000, 50.0, None)
    assert error_of(row) < 0.03


@pytest.mark.parametrize(("clock", "word"), [(AUTUMN, "goes back"), (SPRING, "jumps")])
def test_a_change_of_clocks_is_named_and_read_where_the_zone_is_given(tmp_path: Path, clock: list[datetime], word: str) -> None:
    file = write(tmp_path / "a.csv", lines([m.astimezone(BERLIN).strftime("%Y-%m-%d %H:%M:%S.%f") for m in clock]))
    assert f"a.csv, line 502: local time {word} by an hour" in refused(file)
    (row,) = ingested(file, timezone="Europe/Berlin")
    assert (row["n_samples"], row["started_at"]) == (1000, clock[0])


def test_day_and_month_are_asked_for_where_either_could_be_first(tmp_path: Path) -> None:
    file = write(
        tmp_path / "a.csv",
        lines([m.replace(month=5, day=4).strftime("%d/%m/%Y %H:%M:%S.%f") for m in moments(datetime(2023, 5, 4, 12))]),
    )
    assert "may be day or month first; give time_format='%d/%m/%Y %H:%M:%S'" in refused(file)
    (row,) = ingested(file, time_format="%d/%m/%Y %H:%M:%S", timezone="UTC")
    assert row["started_at"] == datetime(2023, 5, 4, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("unit", "size", "low", "high"),
    [("ms", 1e3, 0, 2**32), ("us", 1e6, 0, 2**32), ("us", 1e6, -(2**31), 2**31), ("ms", 1e3, 0, 2**16)],
)
def test_a_counter_that_starts_again_goes_on(tmp_path: Path, unit: str, size: float, low: int, high: int) -> None:
    ticks = (np.round(CLOCK * size).astype(np.int64) + high - int(7 * size) - low) % (high - low) + low
    notes = Notes()
    (row,) = ingested(write(tmp_path / "a.csv", lines(ticks.tolist())), notes, time_unit=unit)
    assert row["n_samples"] == 1000
    assert error_of(row) < 0.03
    assert notes.figures()["counters of time that started again at 0"] == 1


@pytest.mark.parametrize(
    "spelled", [lambda m: str((m - AUTUMN[0]).total_seconds()), lambda m: m.isoformat(timespec="milliseconds")]
)
def test_rows_from_newest_to_oldest_are_read_backwards_and_counted(tmp_path: Path, spelled) -> None:
    head, *rest = lines([spelled(m) for m in AUTUMN])
    notes = Notes()
    (row,) = ingested(write(tmp_path / "a.csv", [head, *reversed(rest)]), notes)
    assert error_of(row) < 0.03
    assert notes.figures()["files that ran from newest to oldest, read backwards"] == 1


def test_a_message_names_the_line_of_a_file_read_backwards(tmp_path: Path) -> None:
    head, *rest = lines()
    rest[100], rest[101] = rest[101], rest[100]
    assert "a.csv, line 900: time goes back" in refused(write(tmp_path / "a.csv", [head, *reversed(rest)]))


@pytest.mark.parametrize(("row", "line"), [(0, 2), (700, 702)])
def test_a_stamp_that_cannot_be_read_is_named(tmp_path: Path, row: int, line: int) -> None:
    spelled = [m.isoformat(timespec="milliseconds") for m in AUTUMN]
    spelled[row] = "noon"
    assert f"a.csv, line {line}: 'noon' stands in the column time, expected a number or a date" in refused(
        write(tmp_path / "a.csv", lines(spelled))
    )


def test_unix_times_say_when_a_recording_began_and_after_a_gap_the_next_one_knows_its_own_start(tmp_path: Path) -> None:
    stamps = np.round(1000 * np.where(CLOCK >= 10, CLOCK + 60, CLOCK)).astype(np.int64) + 1_648_531_521_000
    first, second = ingested(write(tmp_path / "a.csv", lines(stamps.tolist())), time_unit="ms")
    assert first["started_at"] == datetime(2022, 3, 29, 5, 25, 21, tzinfo=UTC)
    assert second["started_at"] - first["started_at"] == timedelta(seconds=70)
    assert ingested(write(tmp_path / "b.csv", lines()))[0]["started_at"] is None


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        (pa.duration("us"), (CLOCK * 1e6).astype(np.int64)), (pa.duration("ns"), (CLOCK * 1e9).astype(np.int64)),
        (pa.timestamp("ns", tz="UTC"), (CLOCK * 1e9).astype(np.int64) + 1_648_531_521_000_000_000),
        (pa.time64("us"), ((CLOCK + 86_390) % 86_400 * 1e6).astype(np.int64)), (pa.string(), [f"{t:.2f}" for t in CLOCK]),
    ],
)  # fmt: skip
@pytest.mark.parametrize("name", ["time", "__index_level_0__"])
def test_parquets_own_types_are_read_and_found_by_their_type(tmp_path: Path, kind: pa.DataType, values, name: str) -> None:
    if name != "time" and kind == pa.string():
        return
    force, rate = sensors.worn_sensor(CLOCK)
    columns = dict(zip(HEADER.split(",")[1:], np.concatenate([force, rate], axis=1).T, strict=True))
    pq.write_table(pa.table({name: pa.array(values, kind), **columns}), tmp_path / "a.parquet")
    (row,) = ingested(tmp_path / "a.parquet")
    assert (row["n_samples"], row["rate_hz"]) == (1000, 50.0)
    assert (row["started_at"] is not None) == pa.types.is_timestamp(kind)
    assert error_of(row) < 0.03


@pytest.mark.parametrize(
    ("name", "unit"),
    [("time_ms", "ms"), ("Time (s)", "s"), ("timestamp [us]", "us"), ("t_ns", "ns"), ("items", None), ("time", None)],
)
def test_a_unit_in_a_columns_name(name: str, unit: str | None) -> None:
    assert named_unit(name) == unit


def test_minutes_and_seconds_without_their_hour_go_on_after_it(tmp_path: Path) -> None:
    clock = CLOCK + 3590.0
    stamps = [f"{int(t // 60) % 60:02d}:{t % 60:05.2f}" for t in clock]
    (row,) = ingested(write(tmp_path / "a.csv", lines(stamps)))
    assert (row["n_samples"], row["rate_hz"], row["started_at"]) == (1000, 50.0, None)
    assert error_of(row) < 0.03


@pytest.mark.parametrize("form", ["%Y%m%dT%H%M%S.%fZ", "%d-%b-%Y %H:%M:%S.%f+00:00", "%d %b %Y %H:%M:%S.%f UTC"])
def test_compact_dates_and_names_of_months(tmp_path: Path, form: str) -> None:
    start = datetime(2024, 5, 31, 14, 25, 22, 140000, tzinfo=UTC)
    (row,) = ingested(write(tmp_path / "a.csv", lines([moment.strftime(form) for moment in moments(start)])))
    assert (row["rate_hz"], row["started_at"]) == (50.0, start)


def test_minutes_by_the_name_of_the_column_or_by_the_setting(tmp_path: Path) -> None:
    text = [f"{t / 60:.7f}" for t in CLOCK]
    (row,) = ingested(write(tmp_path / "a.csv", lines(text, header=HEADER.replace("time", "time_min"))))
    assert (row["rate_hz"], row["n_samples"]) == (50.0, 1000)
    assert "time_unit=min would make it 50 Hz" in refused(write(tmp_path / "b.csv", lines(text)))


@pytest.mark.parametrize(
    ("stamps", "said"),
    [
        ([str(k) for k in range(1000)], "if they number the samples, give time=null rate_hz=<Hz>; if they are times, time_unit=ms"),
        ([f"{45000 + t / 86400:.9f}" for t in CLOCK], "they may be days, as spreadsheets keep dates"),
        (["1.717166E+12"] * 999 + ["1.717167E+12"], "export them with all their digits"),
        ([f"{k * 2e-4:.6f}" for k in range(1000)], "which is 5e+03 Hz; if it is right, state it by rate_hz=<Hz>"),
    ],
)  # fmt: skip
def test_stamps_in_no_likely_unit_are_named_for_what_they_may_be(tmp_path: Path, stamps: list[str], said: str) -> None:
    unit = {"time_unit": "ms"} if "E" in stamps[0] else {}
    if "digits" in said:
        stamps = [stamps[0]] * len(stamps)
    assert said in refused(write(tmp_path / "a.csv", lines(stamps)), **unit)


def test_the_command_takes_a_format_that_begins_with_a_percent_sign(tmp_path: Path) -> None:
    stamps = [moment.strftime("%d/%m/%Y %H:%M:%S.%f") for moment in moments(datetime(2024, 5, 6, 14, 25, tzinfo=UTC))]
    file = write(tmp_path / "a.csv", lines(stamps))
    units = ["acc_unit=m/s2", "gyro_unit=rad/s", "subject=a", "time_format=%d/%m/%Y %H:%M:%S", "timezone=UTC"]
    assert main(["ingest", "recordings", str(file), "--out", str(tmp_path / "out"), *units]) == 0
    (row,) = pq.read_table(tmp_path / "out/recordings/part-00000.parquet").to_pylist()
    assert row["started_at"] == datetime(2024, 5, 6, 14, 25, tzinfo=UTC)
