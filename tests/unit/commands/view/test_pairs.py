"""`--beside` pairs the same movement and finds its lag, or pairs the same activity."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from m3n import schema
from m3n.commands.view.pairs import Beside
from m3n.commands.view.places import open_place
from m3n.config import ViewConfig
from m3n.errors import InputError
from m3n.io import tables

WRISTS = ("left_wrist", "right_wrist")


def opened(folder: Path, rows: list[dict], columns: pa.Schema):
    folder.mkdir()
    tables.write_table(folder, rows, columns, 10)
    return open_place(folder, ViewConfig(), 100)


@pytest.fixture
def clips(synthetic_clip, tmp_path: Path):
    t = np.arange(239) / 60  # a chirp: it fits itself at one lag alone
    samples = np.stack([3 * np.sin(2 * np.pi * (0.5 + 0.4 * t) * t), 0 * t, 9.8 + 0 * t] * 2, axis=1).astype(np.float32)
    rows = [synthetic_clip(f"c{i}", label=f"Sit-Down {i}", imu_right_wrist=samples) for i in range(2)]
    return opened(tmp_path / "clips", rows, schema.synthetic_clips(WRISTS)), samples


def test_the_same_movement_is_moved_by_the_lag_of_its_clock(clips, recording, tmp_path: Path) -> None:
    place, samples = clips
    late = np.concatenate([samples[:1].repeat(6, 0), samples])  # 0.1 s of standing still before
    row = recording("c1", rate_hz=60.0) | {"n_samples": len(late), "imu_right_wrist": late}
    both = Beside(place, opened(tmp_path / "real", [row], schema.imu_recordings()))
    assert [entry.name for entry in both.entries] == ["c1"]
    assert "1 without a partner are left out" in both.notice
    clip = both.clip(0)
    assert clip.beside["right_wrist"].lag_s == pytest.approx(0.1, abs=1 / 60)
    assert "r of norms 1.00" in clip.beside["right_wrist"].note
    assert set(clip.traces) == set(WRISTS)
    assert clip.motion is not None


def test_other_ids_are_paired_by_label_however_it_is_spelt(clips, recording, tmp_path: Path) -> None:
    real = opened(tmp_path / "real", [recording("r", label="SIT_DOWN 1")], schema.imu_recordings())
    both = Beside(clips[0], real)
    assert [entry.name for entry in both.entries] == ["c1"]
    assert both.notice.startswith("Paired by label")
    assert both.clip(0).beside["right_wrist"].note == "r"


def test_predictions_get_their_samples_from_the_recordings_beside_them(recording, tmp_path: Path) -> None:
    part = {"recording_id": "r", "subject": "s1", "start_s": 0.0, "stop_s": 4.0, "label": "wave", "confidence": 0.5}
    tables.write_shard(tmp_path / "timeline.parquet", pa.Table.from_pylist([part]))
    row = recording("r", label=None, segments=[{"start_s": 1.0, "stop_s": 2.0, "label": "wave"}])
    real = opened(tmp_path / "real", [row], schema.imu_recordings())
    clip = Beside(open_place(tmp_path, ViewConfig(), 10), real).clip(0)
    assert set(clip.bands) == {"predicted", "labels"}
    assert (set(clip.traces), clip.beside, clip.note) == ({"right_wrist"}, {}, "")


def test_places_that_share_nothing_are_refused(clips, recording, tmp_path: Path) -> None:
    real = opened(tmp_path / "real", [recording("r", label="wave")], schema.imu_recordings())
    with pytest.raises(InputError, match=r"share no id \(c0, r …\) and no label"):
        Beside(clips[0], real)
