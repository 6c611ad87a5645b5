"""UTD-MHAD (Chen, Jafari and Kehtarnavaz, ICIP 2015): Kinect skeletons and one wearable IMU, recorded together.

The dataset does not say how the IMU's axes lie on the body, so it was measured. Angular rate and specific force of the
forearm, simulated from the fitted skeletons (5 Hz zero-lag low pass, neutral pronation, best lag within 0.24 s), were matched
with the recorded ones over all 671 clips of actions 1-21 by least squares (Wahba, SIAM Review 7(3), 1965):

    m3n x (to the hand) = +IMU x,   m3n y = -IMU y,   m3n z (dorsal) = -IMU z

The best orthogonal matrix of the angular rates has the diagonal 0.97, -0.99, -0.97, that of the specific forces 0.98, -0.99,
-0.97: both 14° from this signed permutation; the next best of the 48 explains 0.6 of what it does. Both are rotations though
a reflection was allowed, also for each of the 8 subjects alone: so left and right are not swapped and the Kinect's frame is
right-handed, as `world_joints` takes it. What differs between actions is mostly a turn about the forearm, from -34° (push) to
+51° (arm curl): pronation, which the Kinect does not see. On the thigh (190 clips of actions 22-27) specific force gives

    m3n x (to the knee) = +IMU x,   m3n y = +IMU z,   m3n z (forward) = -IMU y

with 20° left over: the same side of the sensor to the skin, on the outside of the thigh. A thigh turns about one axis mostly,
so its angular rate confirms that axis (y) and says little about the others.
"""

from __future__ import annotations

import functools
import hashlib
import io
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

import numpy as np
import yaml
from numpy.typing import NDArray
from pydantic import Field, field_validator

from m3n.errors import InputError
from m3n.schema import GRAVITY, PLACEMENTS, Rejected, imu_column
from m3n.sources.shared.fitted_rows import FittedClip, fitted_clips
from m3n.sources.shared.plausibility import PoseOptions
from m3n.sources.shared.pose_rows import numbers
from m3n.untrusted.archives import zip_or_folder

SOURCE = "utd_mhad"
IMU_RATE_HZ = 50.0
TEXTS = Path(__file__).resolve().parents[1] / "texts" / "utd_mhad.yaml"

# Kinect v1 joints in the file's order, and the SMPL joint each is fitted as. Kinect's spine point lies just above the hip
# centre and belongs to no SMPL joint.
KINECT_JOINTS = (
    ("head", "head"), ("shoulder_center", "neck"), ("spine", None), ("hip_center", "pelvis"),
    ("left_shoulder", "left_shoulder"), ("left_elbow", "left_elbow"), ("left_wrist", "left_wrist"), ("left_hand", "left_hand"),
    ("right_shoulder", "right_shoulder"), ("right_elbow", "right_elbow"), ("right_wrist", "right_wrist"),
    ("right_hand", "right_hand"), ("left_hip", "left_hip"), ("left_knee", "left_knee"), ("left_ankle", "left_ankle"),
    ("left_foot", "left_foot"), ("right_hip", "right_hip"), ("right_knee", "right_knee"), ("right_ankle", "right_ankle"),
    ("right_foot", "right_foot"),
)  # fmt: skip
FITTED = [name for _, name in KINECT_JOINTS if name is not None]

# Rows: the m3n sensor frame's x, y, z in the IMU's own axes (measured; see above).
MOUNTING = {
    "right_wrist": np.array([(1.0, 0.0, 0.0), (0.0, -1.0, 0.0), (0.0, 0.0, -1.0)]),
    "right_thigh": np.array([(1.0, 0.0, 0.0), (0.0, 0.0, 1.0), (0.0, -1.0, 0.0)]),
}

_FILE = re.compile(r"(?:^|/)a(\d+)_s(\d+)_t(\d+)_(skeleton|inertial)\.mat$")
_LARGEST = 64 << 20  # bytes of one file; the real ones have 100 kB
_Key = tuple[int, int, int]  # action, subject, trial
_Reader = Callable[[str], bytes]


class Options(PoseOptions):
    """Settings of `m3n ingest utd_mhad`."""

    actions: list[int] = Field(
        default=list(range(1, 22)),
        description="actions to take, 1 to 27; the sensor is on the right wrist in 1-21, on the right thigh in 22-27",
    )
    mounting: Literal["wrist", "raw"] = Field(
        default="wrist", description="'wrist': IMU axes turned into m3n's sensor frame of the placement; 'raw': as recorded"
    )
    smooth_frames: float = Field(
        default=1.0, ge=0, description="standard deviation of the Gaussian over the Kinect's joints, before the fit [frames]"
    )

    @field_validator("actions")
    @classmethod
    def _known_actions(cls, value: list[int]) -> list[int]:
        if not value or any(not 1 <= action <= 27 for action in value):
            raise ValueError(f"actions are numbers from 1 to 27, got {value}")
        return value


def pose_clips(path: Path, options: Options) -> Iterator[dict[str, Any] | Rejected]:
    """Rows of `pose_clips`, one per skeleton of the chosen actions, in the order of action, subject and trial.

    `path` is the zip or a folder it was unpacked into. The skeleton's own clock is not 30 Hz: a clip's frame rate is its frame
    count over the duration of its inertial recording, fps = 50 F / T. `clip_id` equals the `recording_id` of the recording
    made together with it. Raises InputError where `path` holds no UTD-MHAD files.
    """
    with zip_or_folder(Path(path), ".mat", _LARGEST, "UTD-MHAD's zip") as (names, read):
        files = _index(names, path)
        for key in _chosen(files, options):
            name = _identifier(key)
            try:
                skeleton = _matrix(files, read, key, "skeleton", "d_skel")
                samples = len(_matrix(files, read, key, "inertial", "d_iner"))
                fps = IMU_RATE_HZ * skeleton.shape[2] / samples
                joints, where = world_joints(skeleton), files[key, "skeleton"]
                found = list(fitted_clips(where, name, joints, FITTED, fps, options, options.smooth_frames, repair=False))
                if len(found) != 1 or not isinstance(found[0], FittedClip) or len(found[0].bridged) != len(joints):
                    raise InputError(f"{where}: joints are missing for long, and the recording beside it cannot be cut alike")
                fitted = found[0].fit
            except InputError as error:
                yield Rejected(name, str(error))
                continue
            frames = len(fitted.poses)
            yield {
                "clip_id": name,
                "source": SOURCE,
                "subject": f"s{key[1]}",
                "text": _sentence(name, key[0]),
                "label": _actions()[key[0]]["label"],
                "fps": fps,
                "body_model": "smpl",
                "gender": "neutral",
                "betas": fitted.betas,
                "n_frames": frames,
                "poses": fitted.poses.reshape(frames, -1),
                "trans": fitted.trans,
                "segments": None,
            }


def skeletons(path: Path, options: Options) -> Iterator[NDArray[np.float64]]:
    """The joints (F, 19, 3) that `pose_clips` fits, m, z up, names in FITTED; skeletons that cannot be read are passed over."""
    with zip_or_folder(Path(path), ".mat", _LARGEST, "UTD-MHAD's zip") as (names, read):
        files = _index(names, path)
        for key in _chosen(files, options):
            with suppress(InputError):
                yield world_joints(_matrix(files, read, key, "skeleton", "d_skel"))


def imu_recordings(path: Path, options: Options) -> Iterator[dict[str, Any] | Rejected]:
    """Rows of `imu_recordings` of the chosen actions: m/s² and rad/s at 50 Hz; `right_wrist` in actions 1-21, `right_thigh` in
    22-27, every other placement None. `mounting` decides the axes (see the top of this module).

    Raises InputError where `path` holds no UTD-MHAD files.
    """
    with zip_or_folder(Path(path), ".mat", _LARGEST, "UTD-MHAD's zip") as (names, read):
        files = _index(names, path)
        for key in _chosen(files, options):
            name = _identifier(key)
            try:
                raw = _matrix(files, read, key, "inertial", "d_iner")
            except InputError as error:
                yield Rejected(name, str(error))
                continue
            placement = placement_of(key[0])
            turn = MOUNTING[placement] if options.mounting == "wrist" else np.eye(3)
            samples = np.concatenate([GRAVITY * raw[:, :3] @ turn.T, np.deg2rad(raw[:, 3:]) @ turn.T], axis=1)
            row: dict[str, Any] = {
                "recording_id": name,
                "source": SOURCE,
                "subject": f"s{key[1]}",
                "session": None,
                "started_at": None,
                "label": _actions()[key[0]]["label"],
                "segments": None,
                "rate_hz": IMU_RATE_HZ,
                "n_samples": len(samples),
            }
            row.update({imu_column(other): None for other in PLACEMENTS})
            row[imu_column(placement)] = samples.astype(np.float32)
            yield row


def placement_of(action: int) -> str:
    """Where the sensor was worn during an action."""
    return "right_wrist" if action <= 21 else "right_thigh"


def world_joints(skeleton: NDArray[np.float64]) -> NDArray[np.float64]:
    """Fitted joints (F, 19, 3) m in a z-up world, from the file's (20, 3, F) in the Kinect's frame.

    The Kinect's x, y (up), z (away from it) form a right-handed frame in which left joints are on a viewer's left, so the
    person, who faces the sensor, is not mirrored: (x, y, z) -> (x, -z, y) is a rotation, and people look along +y.
    """
    kept = [k for k, (_, name) in enumerate(KINECT_JOINTS) if name is not None]
    x, y, z = skeleton[kept].transpose(1, 2, 0)
    return np.stack([x, -z, y], axis=-1)


def _index(names: list[str], path: Path) -> dict[tuple[_Key, str], str]:
    files = {}
    for name in names:
        match = _FILE.search(name)
        if match:
            action, subject, trial, kind = match.groups()
            files[(int(action), int(subject), int(trial)), kind] = name
    if not files:
        raise InputError(f"{path}: no UTD-MHAD files in it; expected names like Skeleton/a1_s1_t1_skeleton.mat")
    return files


def _chosen(files: Mapping[tuple[_Key, str], str], options: Options) -> list[_Key]:
    return sorted({key for key, _ in files if key[0] in options.actions})


def _matrix(files: Mapping[tuple[_Key, str], str], read: _Reader, key: _Key, kind: str, variable: str) -> NDArray[np.float64]:
    from scipy.io import loadmat

    name = files.get((key, kind))
    if name is None:
        raise InputError(f"{_identifier(key)} has no {kind} file")
    try:
        values = loadmat(io.BytesIO(read(name)), variable_names=[variable])[variable]
    except InputError:
        raise
    except Exception as error:  # a damaged mat file can fail in any way at all
        raise InputError(f"{name}: cannot be read as a MATLAB file with '{variable}'; it is damaged or another file") from error
    values = numbers(name, variable, values, (None,) * np.ndim(values))
    fits = values.ndim == 3 and values.shape[:2] == (20, 3) if kind == "skeleton" else values.ndim == 2 and values.shape[1] == 6
    if not fits or not values.size:
        expected = "(20, 3, frames)" if kind == "skeleton" else "(samples, 6)"
        raise InputError(f"{name}: '{variable}' has shape {values.shape}, expected {expected}")
    return values


def _identifier(key: _Key) -> str:
    return f"{SOURCE}-a{key[0]:02d}_s{key[1]:02d}_t{key[2]:02d}"


@functools.cache
def _actions() -> dict[int, dict[str, Any]]:
    loaded: dict[int, dict[str, Any]] = yaml.safe_load(TEXTS.read_text(encoding="utf-8"))
    return loaded


def _sentence(clip_id: str, action: int) -> str:
    texts: list[str] = _actions()[action]["texts"]
    return texts[int.from_bytes(hashlib.sha256(clip_id.encode()).digest()[:8], "big") % len(texts)]
