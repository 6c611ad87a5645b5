"""Fixed-length windows of pose and IMU, cut so that both cover the same time.

Shapes: n windows, p placements, t IMU samples, f pose frames. Windows of a clip start at k * hop_s; the last one ends within
the clip. Pose windows hold the rotations of 22 body joints, each from its rest frame to the world, as 6-D vectors (Zhou et al.,
CVPR 2019), and the pelvis' velocity, all in a frame whose yaw is that of the window's first frame, so that the direction a person
faces does not matter.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

import numpy as np

from m3n.body.kinematics import rotation_matrices
from m3n.body.model import SMPL_PARENTS
from m3n.config import WindowsConfig
from m3n.data.resampling import resample, resampled_rate
from m3n.errors import InputError, NoWindowsError
from m3n.schema import BODY_JOINTS, imu_column

POSE_FEATURES = BODY_JOINTS * 6 + 3
LABEL_SAMPLES = 8  # samples from one label within a window to the next
NOTHING: Mapping[str, None] = MappingProxyType({"label": None, "text": None})  # shown between the segments


@dataclass(kw_only=True)
class ClipWindows:
    """Aligned windows of synthetic clips, and the clips they come from; the windows of a clip follow each other."""

    pose_nfd: np.ndarray  # (n, f, POSE_FEATURES) float32
    imu_npt6: np.ndarray  # (n, p, t, 6) float32, m/s² and rad/s
    clip: np.ndarray  # (n,) int, index into `clip_ids`
    clip_ids: list[str]
    sources: list[str]
    subjects: list[str]  # the clip's own id where it has no subject
    texts: list[str]  # (n,) sentence of every window; "" for none
    labels: list[str]  # (n,) label of every window; "" for none
    rates_hz: list[float]
    placements: tuple[str, ...]
    short: list[str]  # clips left out because they are shorter than a window


def numbered(names: Sequence[str]) -> tuple[list[str], np.ndarray]:
    """Distinct names in order of first occurrence, and the number of each given name; -1 for an empty one."""
    known: dict[str, int] = {}
    numbers = [known.setdefault(name, len(known)) if name else -1 for name in names]
    return list(known), np.array(numbers, int)


@dataclass(kw_only=True)
class RecordingWindows:
    """Labelled windows of real recordings."""

    imu_npt6: np.ndarray  # (n, p, t, 6) float32, m/s² and rad/s; 0 where a placement was not worn
    worn_np: np.ndarray  # (n, p) bool
    label: np.ndarray  # (n,) int, index into `classes`
    recording: np.ndarray  # (n,) int, index into `recording_ids`
    start_s: np.ndarray  # (n,) float64, start of a window in its recording
    rate_n: np.ndarray  # (n,) float32, the sensor's own sampling rate before resampling, Hz
    classes: list[str]
    recording_ids: list[str]
    subjects: list[str]  # one per recording
    sources: list[str]  # one per recording
    placements: tuple[str, ...]
    step_label_ns: np.ndarray | None = None  # (n, s) int, the label every `LABEL_SAMPLES`; -1 where there is none

    def subset(self, chosen: np.ndarray) -> RecordingWindows:
        """The windows at the positions (or the mask) `chosen`."""
        return replace(
            self,
            imu_npt6=self.imu_npt6[chosen],
            worn_np=self.worn_np[chosen],
            label=self.label[chosen],
            recording=self.recording[chosen],
            start_s=self.start_s[chosen],
            rate_n=self.rate_n[chosen],
            step_label_ns=None if self.step_label_ns is None else self.step_label_ns[chosen],
        )

    @property
    def subject(self) -> np.ndarray:
        """(n,) subject of every window."""
        return np.array(self.subjects)[self.recording]

    @property
    def example(self) -> np.ndarray:
        """(n,) number of the labelled example a window belongs to: a stretch of one recording with one label."""
        changed = (np.diff(self.recording) != 0) | (np.diff(self.label) != 0)
        return np.concatenate([[0], np.cumsum(changed)])


def starts(duration_s: float, window_s: float, hop_s: float) -> np.ndarray:
    """Start times (s) of the windows that fit into a duration; empty if none does."""
    count = int(np.floor((duration_s - window_s) / hop_s + 1e-6)) + 1
    return np.arange(max(count, 0)) * hop_s


def held_starts(duration_s: float, window_s: float, hop_s: float) -> np.ndarray:
    """As `starts`; input shorter than a window yields one window at 0."""
    return starts(duration_s, window_s, hop_s) if duration_s > window_s else np.zeros(1)


def cut_clips(rows: Iterable[dict[str, Any]], shape: WindowsConfig, placements: Sequence[str]) -> ClipWindows:
    """Windows of checked `synthetic_clips` rows; clips shorter than a window are named in `short`, for `check_short`.

    A window takes the clip's text and label or, if the clip has segments, those of the segment that covers most of its time, which
    are none for a mostly uncovered window.
    """
    pose = [np.empty((0, shape.pose_frames, POSE_FEATURES), np.float32)]
    imu = [np.empty((0, len(placements), shape.samples, 6), np.float32)]
    clip: list[int] = []
    texts: list[str] = []
    labels: list[str] = []
    kept: list[dict[str, Any]] = []
    short: list[str] = []
    for row in rows:
        duration = min((row["n_frames"] - 1) / row["fps"], row["n_samples"] / row["rate_hz"])
        begin = (held_starts if shape.pad_short else starts)(duration, shape.window_s, shape.hop_s)
        if not len(begin):
            short.append(f"clip '{row['clip_id']}' lasts {duration:.2f} s")
            continue
        blank = np.zeros((row["n_samples"], 6), np.float32)  # of a placement that was not simulated
        signals = [np.reshape(row.get(imu_column(p), blank), (row["n_samples"], 6)) for p in placements]
        pose.append(_pose_windows(row, begin, shape))
        imu.append(np.stack([imu_windows(s, row["rate_hz"], begin, shape) for s in signals], axis=1))
        clip += [len(kept)] * len(begin)
        shown = [shown_activity(row, t, window_end(t, duration, shape)) for t in begin]
        texts += [activity["text"] or "" for activity in shown]
        labels += [activity["label"] or "" for activity in shown]
        kept.append({name: row[name] for name in ("clip_id", "source", "subject", "rate_hz")})
    return ClipWindows(
        pose_nfd=np.concatenate(pose),
        imu_npt6=np.concatenate(imu),
        clip=np.array(clip, int),
        clip_ids=[row["clip_id"] for row in kept],
        sources=[row["source"] for row in kept],
        subjects=[row["subject"] or row["clip_id"] for row in kept],
        texts=texts,
        labels=labels,
        rates_hz=[float(row["rate_hz"]) for row in kept],
        placements=tuple(placements),
        short=short,
    )


def check_short(short: Sequence[str], kept: int, shape: WindowsConfig) -> None:
    """Raise InputError if no clip is long enough, or more than the share `max_short` of the clips is too short."""
    if short and (kept == 0 or len(short) > shape.max_short * (kept + len(short))):
        raise InputError(
            f"{short[0]}, shorter than a window of {shape.window_s:g} s, as {len(short)} of {kept + len(short)} clips are: "
            "choose a smaller windows.window_s, or raise windows.max_short to leave them out"
        )
    if kept == 0:
        raise InputError("no clip to cut windows from: the table is empty, or every clip is excluded")


def cut_recordings(
    rows: Iterable[dict[str, Any]],
    shape: WindowsConfig,
    placements: Sequence[str],
    classes: Sequence[str] | None = None,
    ignore: Sequence[str] = (),
) -> RecordingWindows:
    """Labelled windows of checked `imu_recordings` rows; recordings without a label or a placement are left out.

    A window takes the recording's label or, if the recording has segments, the label of most of its time (mostly unlabelled
    windows are left out). A recording shorter than a window is padded as if the sensor stood still after the last sample, so that
    no labelled example is lost. `classes` fixes the order of the labels; by default they are sorted. Windows with a label in
    `ignore` are left out. Raises NoWindowsError if nothing is left, and InputError for a label that is not in `classes`.
    """
    imu, worn, recording, rate, start, step_names = [], [], [], [], [], []
    label: list[str] = []
    recording_ids: list[str] = []
    subjects: list[str] = []
    sources: list[str] = []
    for row in rows:
        signals = [row.get(imu_column(p)) for p in placements]
        if all(s is None for s in signals) or (row["label"] is None and not row["segments"]):
            continue
        duration = row["n_samples"] / row["rate_hz"]
        begin = held_starts(duration, shape.window_s, shape.hop_s)
        names = [shown_activity(row, t, window_end(t, duration, shape))["label"] for t in begin]
        kept = [i for i, name in enumerate(names) if name is not None and name not in ignore]
        if not kept:
            continue
        blank = np.zeros((len(kept), shape.samples, 6), np.float32)
        imu.append(
            np.stack(
                [
                    blank if s is None else imu_windows(np.reshape(s, (-1, 6)), row["rate_hz"], begin[kept], shape)
                    for s in signals
                ],
                axis=1,
            )
        )
        worn.append(np.tile([s is not None for s in signals], (len(kept), 1)))
        label += [str(names[i]) for i in kept]
        start.append(begin[kept])
        step_names += [_step_labels(row, begin[i], shape) for i in kept]
        recording += [len(recording_ids)] * len(kept)
        rate += [row["rate_hz"]] * len(kept)
        recording_ids.append(row["recording_id"])
        subjects.append(row["subject"])
        sources.append(row["source"])
    if not label:
        raise NoWindowsError(
            f"no labelled window of {', '.join(placements)}: expected recordings with a label or segments, worn at these placements"
        )
    order = sorted(set(label)) if classes is None else list(classes)
    index = {name: i for i, name in enumerate(order)}
    unknown = sorted(set(label) - set(order))
    if unknown:
        raise InputError(f"label '{unknown[0]}' is not one of the classifier's {len(order)} classes: {', '.join(order)}")
    return RecordingWindows(
        imu_npt6=np.concatenate(imu),
        worn_np=np.concatenate(worn),
        label=np.array([index[name] for name in label]),
        recording=np.array(recording),
        start_s=np.concatenate(start),
        rate_n=np.array(rate, np.float32),
        classes=order,
        recording_ids=recording_ids,
        subjects=subjects,
        sources=sources,
        placements=tuple(placements),
        step_label_ns=np.array([[index.get(name, -1) for name in names] for names in step_names]),
    )


def label_steps(samples: int) -> int:
    """Number of labels within a window; an encoder with steps of another length takes the nearest ones."""
    return -(-samples // LABEL_SAMPLES)


def _step_labels(row: dict[str, Any], start_s: float, shape: WindowsConfig) -> list[str]:
    """The label in the middle of every step; "" if there is none."""
    steps = label_steps(shape.samples)
    if not row["segments"]:
        return [row["label"]] * steps
    middle = start_s + (np.arange(steps) + 0.5) * shape.window_s / steps
    names = [""] * steps
    for segment in row["segments"]:
        for i in np.flatnonzero((middle >= segment["start_s"]) & (middle < segment["stop_s"])):
            names[i] = segment["label"]
    return names


def shown_activity(row: Mapping[str, Any], start_s: float, stop_s: float) -> Mapping[str, Any]:
    """What holds the label and text of a time span: the row or, if it has segments, the largest one of the label that most of the
    time has; NOTHING if none has."""
    if not row.get("segments"):
        return row
    parts: dict[str, list[tuple[float, Mapping[str, Any]]]] = {}
    for segment in row["segments"]:
        overlap = min(stop_s, segment["stop_s"]) - max(start_s, segment["start_s"])
        if overlap > 0:
            parts.setdefault(segment["label"], []).append((overlap, segment))
    time = {name: sum(overlap for overlap, _ in parts[name]) for name in sorted(parts)}
    name = max(time, key=lambda n: time[n], default="")
    return max(parts[name], key=lambda part: part[0])[1] if time and time[name] > (stop_s - start_s) / 2 else NOTHING


def window_end(start_s: float, duration_s: float, shape: WindowsConfig) -> float:
    """The end of a window, or of the input that it holds if that is shorter."""
    return start_s + min(shape.window_s, duration_s)


def imu_windows(samples: np.ndarray, rate_hz: float, begin: np.ndarray, shape: WindowsConfig) -> np.ndarray:
    """Windows (n, t, 6) float32 of samples (k, 6) that start at `begin` [s]; beyond the end, the sensor stands still."""
    values = resample(np.nan_to_num(samples), float(rate_hz), shape.rate_hz)
    first = np.round(begin * resampled_rate(float(rate_hz), shape.rate_hz)).astype(int)
    index = first[:, None] + np.arange(shape.samples)
    found = values[np.minimum(index, len(values) - 1)].astype(np.float32)
    found[..., 3:][index >= len(values)] = 0
    return found


def _pose_windows(row: dict[str, Any], begin: np.ndarray, shape: WindowsConfig) -> np.ndarray:
    """(windows, f, POSE_FEATURES): 22 x 6-D rotations, then the pelvis' velocity in m/s."""
    frames, fps = row["n_frames"], float(row["fps"])
    rotations = rotation_matrices(np.asarray(row["poses"]).reshape(frames, -1, 3)[:, :BODY_JOINTS])
    for joint, parent in enumerate(SMPL_PARENTS[1:BODY_JOINTS], start=1):
        rotations[:, joint] = rotations[:, parent] @ rotations[:, joint]
    times = begin[:, None] + np.arange(shape.pose_frames) / shape.pose_fps
    position = np.clip(times * fps, 0, frames - 1)
    low = np.minimum(position.astype(int), frames - 2)
    blend = (position - low)[..., None]
    columns = rotations[..., :2].swapaxes(-1, -2).reshape(frames, BODY_JOINTS * 6)  # two columns of every matrix
    six_d = (columns[low] * (1 - blend) + columns[low + 1] * blend).reshape(*times.shape, BODY_JOINTS, 2, 3)
    velocity = np.gradient(np.asarray(row["trans"], float).reshape(frames, 3), 1 / fps, axis=0)
    velocity = velocity[low] * (1 - blend) + velocity[low + 1] * blend
    forward = rotations[low[:, 0], 0][..., 2]  # the pelvis' z axis at the first frame of every window
    yaw = np.arctan2(forward[:, 1], forward[:, 0])
    cos, sin = np.cos(yaw), np.sin(yaw)
    unturn = np.zeros((len(begin), 3, 3))
    unturn[:, 0, 0], unturn[:, 0, 1], unturn[:, 1, 0], unturn[:, 1, 1], unturn[:, 2, 2] = cos, sin, -sin, cos, 1
    six_d = _orthonormal(np.einsum("wij,wfakj->wfaki", unturn, six_d))
    velocity = np.einsum("wij,wfj->wfi", unturn, velocity)
    return np.concatenate([six_d.reshape(*times.shape, -1), velocity], axis=-1).astype(np.float32)


def _orthonormal(six_d: np.ndarray) -> np.ndarray:
    """Gram-Schmidt on the two columns (…, 2, 3) that linear interpolation has distorted a little."""
    first = six_d[..., 0, :] / np.linalg.norm(six_d[..., 0, :], axis=-1, keepdims=True)
    second = six_d[..., 1, :] - np.sum(first * six_d[..., 1, :], axis=-1, keepdims=True) * first
    return np.stack([first, second / np.linalg.norm(second, axis=-1, keepdims=True)], axis=-2)


@dataclass(frozen=True)
class Normaliser:
    """One scale for all acceleration axes and one for all angular-rate axes.

    Axes of a kind share their scale and no mean is subtracted, so that normalised signals of a rotated sensor are rotated signals.
    """

    acc: float  # m/s²
    gyro: float  # rad/s

    @classmethod
    def fit(cls, imu: np.ndarray) -> Normaliser:
        """Root mean square over samples and axes of (…, 6)."""
        acc = float(np.sqrt(np.mean(np.square(imu[..., :3], dtype=np.float64))))
        gyro = float(np.sqrt(np.mean(np.square(imu[..., 3:], dtype=np.float64))))
        return cls(acc or 1.0, gyro or 1.0)

    def __call__(self, imu: np.ndarray) -> np.ndarray:
        """Normalised samples (…, 6) float32."""
        return (imu / np.repeat([self.acc, self.gyro], 3)).astype(np.float32)
