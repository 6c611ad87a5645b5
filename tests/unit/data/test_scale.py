"""Recordings in other units than the training data are recognised by their size."""

from __future__ import annotations

import numpy as np

from m3n.data.scale import check_scale
from m3n.data.windows import Normaliser


def test_rest_and_vigour_are_no_wrong_units():
    normaliser = Normaliser(acc=6.0, gyro=1.0)
    rest = np.tile(np.float32([0, 0, 9.81, 0.001, 0, 0]), (100, 1))
    check_scale(normaliser, [rest], "rest")
    check_scale(normaliser, [2.5 * rest + np.float32([0, 0, 0, 9, 0, 0])], "vigour")
    check_scale(normaliser, [np.zeros((4, 6), np.float32)], "a dead sensor")
