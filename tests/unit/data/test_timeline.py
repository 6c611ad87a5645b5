"""Windows cover a recording of any length, and their answers become a timeline."""

from __future__ import annotations

import numpy as np
import pytest

from m3n.config import WindowsConfig
from m3n.data.timeline import CellMeans, cut_lazily, lay_out, stretches
from m3n.data.windows import cut_recordings

SHAPE = WindowsConfig(window_s=2.0, hop_s=0.5, rate_hz=50.0)


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
