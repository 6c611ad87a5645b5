"""Runs of equal samples, however the rows are cut into batches."""

from __future__ import annotations

import numpy as np
import pytest

from m3n.sources.recordings.still_values import Frozen


def noisy(rows: int = 1000, step: float = 0.0) -> np.ndarray:
    values = np.random.default_rng(0).normal(size=(rows, 3))
    return np.round(values / step) * step if step else values


@pytest.mark.parametrize("batch", [1, 7, 64, 1000])
def test_runs_are_found_across_batches(batch: int) -> None:
    values = noisy()
    values[100:200] = values[100]
    values[990:] = values[990]
    frozen = Frozen()
    for start in range(0, 1000, batch):
        frozen.add(values[start : start + batch], np.ones(len(values[start : start + batch]), bool))
    long = frozen.longer_than(25)
    assert long.rows == 99
    found = np.concatenate([long.rows_in(start, min(start + batch, 1000)) for start in range(0, 1000, batch)])
    assert np.flatnonzero(found).tolist() == list(range(101, 200))  # the first sample of a run is data


def test_rows_that_are_left_out_do_not_end_a_run() -> None:
    values = noisy()
    values[100:200] = values[100]
    good = np.ones(1000, bool)
    good[150], values[150] = False, np.nan
    frozen = Frozen()
    frozen.add(values, good)
    assert frozen.longer_than(25).rows == 99


@pytest.mark.parametrize(("step", "coarse", "rows"), [(0.15, 0.01, 0), (0.001, 0.01, 99)])
def test_a_coarse_sensor_at_rest_is_kept(step: float, coarse: float, rows: int) -> None:
    values = noisy(step=step)
    values[100:200] = values[100]
    frozen = Frozen(coarse=coarse)
    frozen.add(values, np.ones(1000, bool))
    assert frozen.longer_than(25).rows == rows


def test_several_sensors_are_joined() -> None:
    both = Frozen.together([Frozen([10, 50], [20, 5]), Frozen([25], [10])])
    assert both.rows == 30
    assert np.flatnonzero(both.rows_in(0, 60)).tolist() == [*range(10, 35), *range(50, 55)]
