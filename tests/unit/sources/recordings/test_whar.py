"""The cache of whar-datasets: labels, people, units that the table knows, and rows that are not in order."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from fuzz.source_files import sample_columns, write_whar

from m3n.commands.ingest import ingest, options_of
from m3n.errors import InputError
from m3n.schema import PLACEMENTS, check_imu_recording
from m3n.sources.recordings.whar import KNOWN, Options, imu_recordings


def rows(folder: Path, **options: Any) -> list[dict[str, Any]]:
    found = list(imu_recordings(folder, Options.model_validate(options)))
    assert all(isinstance(row, dict) and check_imu_recording(row, PLACEMENTS) is None for row in found), found
    return found  # type: ignore[return-value]


def test_a_known_dataset_needs_nothing_but_its_folder(tmp_path: Path) -> None:
    first, second = rows(write_whar(tmp_path / "pamap2"))
    assert [(row["subject"], row["label"], row["session"], row["rate_hz"]) for row in (first, second)] == [
        ("0", "ironing", "0", 100), ("4", "walking", "1", 100)
    ]  # fmt: skip
    held = sample_columns(np.arange(600) / 100)
    known = np.stack([9.80665 * np.asarray(held[k]) for k in ("ax", "ay", "az")], axis=1)
    for row in (first, second):  # the first one's rows were written from the last to the first
        np.testing.assert_allclose(row["imu_right_wrist"][:, :3], known, atol=1e-4)
        np.testing.assert_allclose(row["imu_right_wrist"][:, 4], np.radians(held["gy"]), atol=1e-4)
        assert row["started_at"] is None  # times count from 1970


def test_other_datasets_name_their_channels_and_units_and_a_wrong_one_is_caught(tmp_path: Path) -> None:
    folder = write_whar(tmp_path / "mine")
    with pytest.raises(InputError, match=r"mine: its channels are not known; give columns\.right_wrist=.*hand_acc_x"):
        rows(folder)
    columns = {"left_wrist": ["hand_acc_x", "hand_acc_y", "hand_acc_z", "hand_gyro_x", "hand_gyro_y", "hand_gyro_z"]}
    (row, _) = rows(folder, columns=columns, acc_unit="m/s2", gyro_unit="rad/s")
    assert row["imu_left_wrist"].shape == (600, 6)
    with pytest.raises(InputError, match=r"measures 9\.81 g when read as g"):
        rows(folder, columns=columns, acc_unit="g", gyro_unit="rad/s")
    with pytest.raises(InputError, match="no channel wrist_x"):
        rows(folder, columns={"left_wrist": ["wrist_x", "hand_acc_y", "hand_acc_z"]}, acc_unit="m/s2")


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"activities": "activity_id,name\n0,a\n"}, "expected the columns activity_id, activity_name"),
        ({"sessions": "session_id,subject_id,activity_id\n0,1,7\n"}, "activity 7 is not in activity_df.csv"),
        ({"sessions": "session_id,subject_id,activity_id\n0,,1\n"}, "line 2: subject_id is empty"),
        ({"table": {"session_id": pa.array([0]), "x": pa.array([1.0])}}, "no channel timestamp"),
    ],
)
def test_a_cache_that_lacks_something_is_refused(tmp_path: Path, changed: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        rows(write_whar(tmp_path / "pamap2", **changed))
    with pytest.raises(InputError, match="no cache of whar-datasets"):
        rows(tmp_path / "pamap2" / "metadata")


def test_a_sensor_that_was_not_worn_is_rejected_not_kept_as_zeros(tmp_path: Path) -> None:
    folder = write_whar(tmp_path / "pamap2")
    import pyarrow.parquet as pq

    file = folder / "sessions" / "sessions.parquet"
    table = pq.read_table(file)
    for axis in "xyz":
        name = f"hand_acc_{axis}"
        kept = np.where(table["session_id"].to_numpy() == 0, 0.0, table[name].to_numpy())
        table = table.set_column(table.column_names.index(name), name, pa.array(kept))
    pq.write_table(table, file)
    options = options_of("whar").model_validate({"max_rejected": 0.6})
    figures = ingest("whar", folder, tmp_path / "out", options)
    assert (figures["recordings"], figures["recordings_rejected"]) == (1, 1)


def test_known_channels_are_three_or_six_a_placement() -> None:
    for known in KNOWN.values():
        assert all(len(names) in (3, 6) and len(set(names)) == len(names) for names in known.columns.values())
        assert (known.gyro_unit is None) == all(len(names) == 3 for names in known.columns.values())
