"""What became of every column is said; likely names are recognised, unlikely ones asked for, and nobody is guessed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from logger_files import CLOCK, HEADER, ingested, lines, refused, write

from m3n.cli import main
from m3n.errors import InputError
from m3n.schema import Rejected
from m3n.sources.recordings.table import Options, imu_recordings
from m3n.sources.recordings.table_columns import plain
from m3n.sources.shared.ingest_notes import Notes


def with_columns(text: list[str], **columns: list[Any]) -> list[str]:
    head, *rest = text
    more = zip(*columns.values(), strict=True)
    return [",".join([head, *columns]), *(",".join([line, *map(str, values)]) for line, values in zip(rest, more, strict=True))]


def test_a_timestamp_column_is_used_beside_a_rate_and_a_hole_stays_a_hole(tmp_path: Path) -> None:
    stamps = np.where(CLOCK >= 10, CLOCK + 12.4, CLOCK)
    text = with_columns(
        lines(stamps.tolist(), header=HEADER.replace("time", "timestamp")), activity=["walk"] * 500 + ["run"] * 500,
        subject_id=["s1"] * 1000, battery=[3] * 1000,
    )  # fmt: skip
    notes = Notes()
    first, second = ingested(write(tmp_path / "a.csv", text), notes, rate_hz=50, subject=None)
    assert [(row["n_samples"], row["subject"], row["label"]) for row in (first, second)] == [
        (500, "s1", "walk"),
        (500, "s1", "run"),
    ]
    assert notes.figures() == {
        "columns": "right_wrist=ax,ay,az,gx,gy,gz time=timestamp subject=subject_id label=activity; left over: battery"
    }


@pytest.mark.parametrize(
    "name", ["Time", "timestamp", "t", "unixtime", "TimeStamp", "seconds_elapsed", "datetime", "Timestamp (s)"]
)
def test_likely_names_of_time(tmp_path: Path, name: str) -> None:
    notes = Notes()
    ingested(write(tmp_path / "a.csv", lines(header=HEADER.replace("time", name))), notes)
    assert f"time={name};" in notes.figures()["columns"]


@pytest.mark.parametrize("name", ["user", "Participant ID", "participant_id", "subjectID", "person", "volunteer"])
def test_likely_names_of_people(tmp_path: Path, name: str) -> None:
    (row,) = ingested(write(tmp_path / "a.csv", with_columns(lines(), **{name: ["ben"] * 1000})), subject=None)
    assert row["subject"] == "ben"


@pytest.mark.parametrize("name", ["activity", "Class", "ActivityLabel", "gesture", "exercise"])
def test_likely_names_of_labels_and_columns_that_are_none(tmp_path: Path, name: str) -> None:
    file = write(tmp_path / "a.csv", with_columns(lines(), **{name: ["wave"] * 1000}))
    assert ingested(file)[0]["label"] == "wave"
    assert ingested(file, label_column=None)[0]["label"] is None


def test_what_may_be_the_time_is_asked_for(tmp_path: Path) -> None:
    file = write(tmp_path / "a.csv", lines(header=HEADER.replace("time", "phone_clock")))
    assert "the column phone_clock may be the time; give time=phone_clock, or time=null and rate_hz=<Hz>" in refused(
        file, rate_hz=50
    )
    assert ingested(file, rate_hz=50, time=None)[0]["n_samples"] == 1000
    head, *rest = lines()
    both = [f"{head.replace('time', 'timestamp')},time_stamp", *(f"{line},0" for line in rest)]
    assert "2 columns may be the time; give time=timestamp or time=time_stamp" in refused(write(tmp_path / "b.csv", both))


def test_nobody_is_made_up(tmp_path: Path) -> None:
    file = write(tmp_path / "anna.csv", lines())
    said = refused(file, subject=None)
    assert "nothing says who wore the sensor; give subject=NAME, subject_column=COLUMN, or" in said
    assert "path={subject}/*.csv" in said
    empty = write(tmp_path / "b.csv", with_columns(lines(), subject=["a"] * 500 + [""] * 500))
    assert "b.csv, line 502: subject is empty" in refused(empty, subject=None)


@pytest.fixture
def study(tmp_path: Path) -> Path:
    for person in ("p1", "p2"):
        for name in ("walk_1", "run_2"):
            write(tmp_path / "study" / person / f"{name}.csv", lines())
    return tmp_path / "study"


def test_two_people_with_files_of_one_name_are_two_and_their_files_are_not_people(study: Path) -> None:
    rows = ingested(study, subject=None, path="{subject}/{label}_{session}.csv")
    assert [(row["subject"], row["session"], row["label"]) for row in rows] == [
        ("p1", "2", "run"), ("p1", "1", "walk"), ("p2", "2", "run"), ("p2", "1", "walk"),
    ]  # fmt: skip
    assert len({row["recording_id"] for row in rows}) == 4
    assert {row["subject"] for row in ingested(study, subject="anna")} == {"anna"}


def test_a_file_that_does_not_match_is_named(study: Path) -> None:
    write(study / "info.csv", "name,age\np1,30\n")
    found = list(imu_recordings(study, Options(acc_unit="m/s2", gyro_unit="rad/s", path="{subject}/{label}_{session}.csv")))
    (left,) = [row for row in found if isinstance(row, Rejected)]
    assert left.reason.startswith("info.csv: does not match path={subject}/{label}_{session}.csv")


def test_one_file_is_matched_by_the_end_of_its_path(study: Path) -> None:
    (row,) = ingested(study / "p1" / "walk_1.csv", subject=None, path="{subject}/{label}_*.csv")
    assert (row["subject"], row["label"]) == ("p1", "walk")


def test_the_command_takes_a_pattern_prints_the_columns_and_turns_the_axes(study: Path, tmp_path: Path, capsys) -> None:
    import json

    import pyarrow.parquet as pq

    arguments = ["ingest", "recordings", str(study), "acc_unit=m/s2", "gyro_unit=rad/s", "path={subject}/{label}_{session}.csv"]
    assert main([*arguments, "--out", str(tmp_path / "out"), "--json", str(tmp_path / "f.json")]) == 0
    told = "right_wrist=ax,ay,az,gx,gy,gz time=time; left over: none"
    assert f"columns: {told}" in capsys.readouterr().out
    assert json.loads((tmp_path / "f.json").read_text())["columns"] == told
    manifest = json.loads((tmp_path / "out" / "recordings" / "manifest.json").read_text())
    assert manifest["columns"] == [{"used": told, "files": 4, "first": ["run_2.csv", "walk_1.csv", "run_2.csv", "walk_1.csv"]}]
    assert main([*arguments, "--out", str(tmp_path / "turned"), "axes.right_wrist=[-x,-y,z]"]) == 0
    plain_rows, turned = (
        pq.read_table(tmp_path / name / "recordings" / "part-00000.parquet").column("imu_right_wrist").to_pylist()
        for name in ("out", "turned")
    )
    np.testing.assert_array_equal(np.reshape(turned[0], (-1, 6)), np.reshape(plain_rows[0], (-1, 6)) * [-1, -1, 1, -1, -1, 1])
    assert main([*arguments, "--out", str(tmp_path / "x"), "axes.right_wrist=[-x,y,z]"]) == 2
    assert "mirror image" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"time": "clock"}, "no column 'clock'"), ({"subject_column": "who"}, "no column 'who' (subject_column)"),
        ({"time": None}, "time=null needs rate_hz"), ({"columns": {"head": ["ax", "ay", "up"]}}, "column 'up' of head is missing"),
        ({"columns": {"head": ["ax", "ay", "AX"]}}, "names one column twice"),
        (
            {"columns": {"head": ["ax", "ay", "az"], "left_wrist": ["az", "ay", "gx"]}},
            "the column az is named twice, as a channel of head and as a channel of left_wrist",
        ),
        ({"label_column": "ax"}, "the column ax is named twice, as a channel of right_wrist and as the label"),
        ({"session_column": "time"}, "the column time is named twice, as the time and as the session"),
        ({"time": "gz"}, "the column gz is named twice, as a channel of right_wrist and as the time"),
    ],
)  # fmt: skip
def test_columns_that_are_missing_are_named(tmp_path: Path, options: dict[str, Any], said: str) -> None:
    assert said in refused(write(tmp_path / "a.csv", lines()), **options)


def test_other_names_are_suggested_and_never_taken(tmp_path: Path) -> None:
    file = write(tmp_path / "a.csv", lines(header="time,acc_x,acc_y,acc_z,gyr_x,gyr_y,gyr_z"))
    said = refused(file)
    assert "name them by columns.right_wrist=[...] (perhaps acc_x, acc_y, acc_z, gyr_x, gyr_y, gyr_z)" in said


def test_a_subject_is_said_once() -> None:
    with pytest.raises(ValueError, match="both say it"):
        Options(path="{subject}/*.csv", subject="anna")
    with pytest.raises(InputError, match="is unknown"):
        imu_recordings_of_bad_pattern()


def imu_recordings_of_bad_pattern() -> None:
    from m3n import config
    from m3n.commands.ingest import options_of

    config.resolve(options_of("recordings"), "ingest", None, ["path={person}/*.csv"])


def test_names_without_case_and_blanks() -> None:
    assert [plain(name) for name in ("subjectID", " Subject ID", "Time (ms)", "aX")] == [
        "subject_id",
        "subject_id",
        "time_ms",
        "a_x",
    ]


def test_a_unit_in_brackets_is_no_part_of_a_name(tmp_path: Path) -> None:
    header = "Time (s),ax (m/s\u00b2),ay (m/s\u00b2),az [m/s2],gx (rad/s),gy (rad/s),gz (rad/s)"
    (row,) = ingested(write(tmp_path / "a.csv", lines(header=header)))
    assert row["n_samples"] == 1000


def test_two_columns_of_people_are_asked_about(tmp_path: Path) -> None:
    text = with_columns(lines(), user_id=["a"] * 1000, participant=["b"] * 1000)
    said = refused(write(tmp_path / "a.csv", text), subject=None)
    assert "2 columns may say who wore the sensor; give subject_column=user_id or subject_column=participant" in said


def test_one_person_spelled_in_two_ways_is_noted(tmp_path: Path) -> None:
    notes = Notes()
    text = with_columns(lines(), subject=["Anna"] * 500 + ["anna "] * 500)
    assert len(ingested(write(tmp_path / "a.csv", text), notes, subject=None)) == 2
    assert notes.figures()["people whose names look like another's, but count as two"] == 1


def test_a_pattern_that_begins_with_a_star_reaches_the_command(tmp_path: Path) -> None:
    write(tmp_path / "study/x/anna/watch.csv", lines())
    options = ["acc_unit=m/s2", "gyro_unit=rad/s", "path=**/{subject}/watch.csv"]
    assert main(["ingest", "recordings", str(tmp_path / "study"), "--out", str(tmp_path / "out"), *options]) == 0


def test_one_label_spelled_in_two_ways_is_noted(tmp_path: Path) -> None:
    notes = Notes()
    text = with_columns(lines(), label=["walk"] * 500 + ["Walk"] * 500)
    ingested(write(tmp_path / "a.csv", text), notes)
    assert notes.figures()["labels whose names look like another's, but count as two"] == 1


def test_a_blank_person_is_nobody() -> None:
    with pytest.raises(ValueError, match="is blank"):
        Options(subject=" ")
