"""Samples are turned by rotations only, acceleration and angular rate alike, and by each person's own where a report says so."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from m3n.errors import InputError
from m3n.sources.shared.ingest_notes import Notes
from m3n.sources.shared.sensor_axes import SensorAxes, signed_axes

SAMPLES = np.arange(12, dtype=np.float32).reshape(2, 6)


def row(subject: str = "anna") -> dict[str, Any]:
    return {"subject": subject, "imu_right_wrist": SAMPLES, "imu_left_wrist": None}


def test_named_axes_are_those_of_the_recording() -> None:
    turned = SensorAxes({"right_wrist": ["-x", "-y", "z"]}, None).turned(row(), Notes())["imu_right_wrist"]
    np.testing.assert_array_equal(turned, SAMPLES * [-1, -1, 1, -1, -1, 1])
    moved = SensorAxes({"right_wrist": ["-y", "x", "z"]}, None).turned(row(), Notes())["imu_right_wrist"]
    np.testing.assert_array_equal(moved[0], [-1, 0, 2, -4, 3, 5])
    assert np.linalg.det(signed_axes("head", ["+y", "z", "x"])) == pytest.approx(1)


@pytest.mark.parametrize(
    ("axes", "said"),
    [(["-x", "y", "z"], "mirror image"), (["y", "x", "z"], "mirror image"), (["x", "x", "z"], "each of x, y, z once"),
     (["x", "y", "w"], "each of x, y, z once")],
)  # fmt: skip
def test_what_is_no_rotation_is_refused(axes: list[str], said: str) -> None:
    with pytest.raises(InputError, match=said):
        SensorAxes({"right_wrist": axes}, None)


def report(folder: Path, **people: Any) -> Path:
    (folder / "mounting.json").write_text(json.dumps({"right_wrist": people}))
    return folder / "mounting.json"


def test_a_report_turns_those_it_calls_turned_and_leaves_everybody_else(tmp_path: Path) -> None:
    quarter = [[0, -1, 0], [1, 0, 0], [0, 0, 1]]
    file = report(
        tmp_path,
        anna={"rotation": quarter, "confidence": 0.9, "verdict": "turned"},
        ben={"rotation": quarter, "confidence": 0.1, "verdict": "unsure"},
        dora={"rotation": quarter, "confidence": 0.9, "verdict": "aligned"},
    )
    notes, axes = Notes(), SensorAxes({}, file)
    np.testing.assert_allclose(axes.turned(row(), notes)["imu_right_wrist"][0], [-1, 0, 2, -4, 3, 5])
    for person in ("ben", "carl", "dora"):
        np.testing.assert_array_equal(axes.turned(row(person), notes)["imu_right_wrist"], SAMPLES)
    first = [held["first"] for held in notes.facts()["notes"].values()]
    assert sorted(first) == [["right_wrist ben"], ["right_wrist carl"], ["right_wrist dora"]]


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ({"rotation": [[1, 0, 0], [0, 1, 0], [0, 0, -1]], "verdict": "turned"}, "mirror image"),
        ({"rotation": [[2, 0, 0], [0, 1, 0], [0, 0, 1]], "verdict": "turned"}, "unit rows at right angles"),
        ({"rotation": [1, 2], "verdict": "turned"}, "3 x 3"),
        ({"rotation": None, "verdict": "sure"}, '"verdict"'),
    ],
)
def test_a_report_with_no_rotation_in_it_is_refused(tmp_path: Path, entry: Any, said: str) -> None:
    with pytest.raises(InputError, match=said):
        SensorAxes({}, report(tmp_path, anna=entry))


def test_a_report_that_is_none_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text("[" * 100_000)
    for file in (tmp_path / "x.json", tmp_path / "absent.json"):
        with pytest.raises(InputError, match="axes_from="):
            SensorAxes({}, file)


def test_a_report_that_names_a_person_twice_is_refused(tmp_path: Path) -> None:
    entry = json.dumps({"rotation": np.eye(3).tolist(), "verdict": "turned"})
    (tmp_path / "mounting.json").write_text(f'{{"right_wrist": {{"anna": {entry}, "anna": {entry}}}}}')
    with pytest.raises(InputError, match=r"mounting\.json: 'anna' is given twice"):
        SensorAxes({}, tmp_path / "mounting.json")
