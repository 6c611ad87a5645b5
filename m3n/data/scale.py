"""Whether recordings are in the units that a model was trained on, told by their size.

The classic mistake is a recording in g, or in degrees per second, before a model of m/s² and rad/s: nothing fails, and every answer
is wrong. A model's normaliser knows how large its training samples were; gravity keeps specific force near that size whatever
somebody does, and no wrist turns at 10 rad/s on end.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from m3n.data.windows import Normaliser
from m3n.errors import InputError
from m3n.schema import GRAVITY

# (how much larger than the training samples, what the unit probably is); nearer than a factor of 2.5 counts
ACCELERATION = (
    (1 / GRAVITY, "in g (or gravity was taken off)"),
    (GRAVITY, "multiplied by 9.81 twice"),
    (1000 / GRAVITY, "in thousandths of g"),
)
NEAR = 2.5
DEGREES = np.degrees(1.0)
FASTEST = 10.0  # rad/s, root mean square per axis over a recording; a vigorous one has 3, and a resting one anything near 0
_PIECE = 1 << 18  # samples squared at a time


def check_scale(normaliser: Normaliser, imu: Iterable[np.ndarray], where: str) -> None:
    """InputError, with the likely unit, where samples (…, 6) are off from what a model was trained on as other units would be.

    `imu`: arrays that are judged together, such as the placements of one recording; NaN and all-zero signals are passed over.
    """
    squares, count = np.zeros(2), np.zeros(2)
    for array in imu:
        flat = array.reshape(-1, 6)
        for start in range(0, len(flat), _PIECE):
            piece = flat[start : start + _PIECE].astype(np.float64)
            for kind, signal in enumerate((piece[:, :3], piece[:, 3:])):
                finite = np.isfinite(signal)
                squares[kind] += np.sum(np.square(signal, where=finite, out=np.zeros_like(signal)))
                count[kind] += finite.sum()
    acc, gyro = np.sqrt(squares / np.maximum(count, 1))
    for factor, unit in ACCELERATION:
        if factor / NEAR < acc / normaliser.acc < factor * NEAR:
            raise InputError(
                f"{where}: acceleration is {acc:.3g} (root mean square), the model was trained on {normaliser.acc:.3g} m/s²: it is "
                f"probably {unit}; expected specific force in m/s², so give the source its unit and ingest it again"
            )
    if gyro > FASTEST and DEGREES / NEAR < gyro / normaliser.gyro < DEGREES * NEAR:
        raise InputError(
            f"{where}: angular rate is {gyro:.3g} (root mean square), the model was trained on {normaliser.gyro:.3g} rad/s: it is "
            "probably in degrees per second; expected rad/s, so give the source its unit and ingest it again"
        )
