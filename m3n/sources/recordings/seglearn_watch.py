"""Smart-watch recordings of seven shoulder exercises, as shipped inside the package seglearn (BSD).

140 recordings of 10 people, both arms in turn, 50 Hz (Burns et al. 2018, arXiv 1802.01489). The file says neither units nor
frames; this module's job is to state them and to bring both arms to m3n's wrist frame (x to the hand, z dorsal, y = z × x).

What was measured on the recordings, and how the conversion follows from it:

- The accelerometer is in g: where the watch turns slower than 0.3 rad/s (88 recordings have such stretches) the median norm
  is 1.01. The gyroscope is in rad/s: integrated over a stroke of abduction it gives 2.4 to 2.9 rad, an arm raised overhead.
- Arm hanging, the right watch reads ax = -1 g and the left one +1 g. Forearm level with the thumb up (both rotations, elbow
  at the side) either watch reads ay = +1 g; m3n's y = z × x points to the thumb on the right arm, away from it on the left.
- Gravity in a hanging arm does not tell the sign of z. Abduction does: at its lowest point the arm is accelerated away from
  the body, where the back of a hanging hand points, so the specific force along z is positive there. The file has about -1 g,
  in all 20 recordings. So it holds the negative of the specific force, the sign convention of Apple's Core Motion (face up, at
  rest: z = -1 g), while the angular rate obeys the right-hand rule. The authors' SPAR data set, of which this is a part, names
  the Apple Watch 2 and 3. It also explains x: a watch worn upright has its own x axis towards the hand on the left arm and
  towards the elbow on the right arm, and the axis that points down reads +1.

Hence, with a, w as stored: left wrist (watch frame = m3n's): f = -a, w as is. Right wrist (turned by 180 degrees about z):
f = (ax, ay, -az), rate = (-wx, -wy, wz). Taking the file's right side as it stands would be the mirror image of a right arm:
every rigid-body check passes on it too, but palms point up where they point down.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from m3n import config
from m3n.errors import InputError, shown
from m3n.schema import GRAVITY, Rejected, imu_column
from m3n.sources.shared.pose_rows import numbers
from m3n.untrusted.npy import load_object_npy

RATE_HZ = 50.0
LABELS = {
    "PEN": "pendulum",
    "ABD": "abduction",
    "FEL": "forward elevation",
    "IR": "internal rotation",
    "ER": "external rotation",
    "TRAP": "trapezius extension",
    "ROW": "upright row",
}
# side as stored -> placement, and the factors of (ax, ay, az, wx, wy, wz) that lead to specific force and rate in m3n's frame
_SIDES: dict[int, tuple[str, tuple[float, ...]]] = {
    1: ("right_wrist", (1.0, 1.0, -1.0, -1.0, -1.0, 1.0)),
    0: ("left_wrist", (-1.0, -1.0, -1.0, 1.0, 1.0, 1.0)),
}


class Options(config.Options):
    """This source takes no settings: units and frames are known."""


def imu_recordings(path: Path | None, options: Options) -> Iterator[dict[str, Any] | Rejected]:
    """Rows of `imu_recordings`, one per recording: (n_samples, 6) specific force in m/s² and angular rate in rad/s, 50 Hz.

    `path` is a copy of `watch_dataset.npy`; None takes the one of the installed package seglearn. Raises InputError where the
    package or the file is missing or the file holds something else.
    """
    file = path if path is not None else installed_file()
    data = load_object_npy(file)
    wanted = ("X", "y", "subject", "side", "y_labels")
    missing = [key for key in wanted if not isinstance(data, dict) or key not in data]
    if missing:
        raise InputError(f"{file}: '{missing[0]}' is missing; expected seglearn's watch_dataset.npy with {', '.join(wanted)}")
    for key in ("X", "y_labels"):
        if not isinstance(data[key], list) and not (isinstance(data[key], np.ndarray) and data[key].ndim):
            raise InputError(f"{file}: '{key}' holds a {type(data[key]).__name__}, expected a list")
    count = len(data["X"])
    kinds, subjects, sides = (numbers(str(file), key, data[key], (count,)) for key in ("y", "subject", "side"))
    for index in range(count):
        try:
            yield _recording(index, f"{file.name}, recording {index}", data, (kinds[index], subjects[index], sides[index]))
        except InputError as error:
            yield Rejected(f"recording {index}", str(error))


def installed_file() -> Path:
    """Path of the data file inside the installed package seglearn, which is not imported because that needs pandas."""
    spec = importlib.util.find_spec("seglearn")
    file = Path(spec.origin).parent / "data" / "watch_dataset.npy" if spec is not None and spec.origin else None
    if file is None or not file.is_file():
        raise InputError(
            "seglearn_watch: the package seglearn is not installed; run `pip install seglearn` (or `pip install m3n[data]`), "
            "or give the path of its watch_dataset.npy"
        )
    return file


def _recording(index: int, where: str, data: dict[str, Any], facts: tuple[float, float, float]) -> dict[str, Any]:
    kind, subject, side = facts
    if not (kind == round(kind) and 0 <= kind < len(data["y_labels"])):
        raise InputError(f"{where}: y is {kind:g}, expected a place in y_labels, 0 to {len(data['y_labels']) - 1}")
    code = shown(data["y_labels"][int(kind)])
    if code not in LABELS:
        raise InputError(f"{where}: label is '{code}', expected one of {', '.join(LABELS)}")
    if side not in _SIDES:
        raise InputError(f"{where}: side is {side:g}, expected 1 (right) or 0 (left)")
    samples = numbers(where, "X", data["X"][index], (None, 6))
    if not len(samples):
        raise InputError(f"{where}: X has no samples")
    placement, signs = _SIDES[int(side)]
    return {
        "recording_id": f"seglearn_watch-{index:03d}",
        "source": "seglearn_watch",
        "subject": f"{subject:.0f}",
        "session": None,
        "started_at": None,
        "label": LABELS[code],
        "segments": None,
        "rate_hz": RATE_HZ,
        "n_samples": len(samples),
        imu_column(placement): _converted(samples, signs),
    }


def _converted(samples: NDArray[np.float64], signs: tuple[float, ...]) -> NDArray[np.float32]:
    factors = np.array(signs) * np.array([GRAVITY] * 3 + [1.0] * 3)
    return np.asarray(samples * factors, dtype=np.float32)
