"""What the page of `m3n view` shows of one clip, and its JSON: numbers as base64, since text would take five times the room.

Poses are sent as the world rotation of every joint (quaternions of int16, 24 a frame at 30 frames/s or less) and the pelvis' path;
the page adds up the bones and bends the skin. The body is always m3n's stand-in, because no other may be handed on in a saved page.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy.spatial.transform import Rotation

from m3n.body.kinematics import fitted_betas, joint_transforms, rest_joints
from m3n.body.model import standin_body
from m3n.config import Site
from m3n.imu.placement import mount
from m3n.reports.view.film import Film, plain_film

FRAMES_HZ = 30.0  # the page draws the frames between by interpolation
_BONES = 4  # that bend a vertex; the fifth and sixth weigh less than can be seen


@dataclass(frozen=True)
class Entry:
    """A line of the list: a clip, or a stretch of a long one from `start_s` to `stop_s`; `labels`: of it all and of its parts."""

    name: str
    label: str | None
    text: str
    subject: str | None
    source: str
    start_s: float
    stop_s: float
    labels: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Part:
    """An activity in time, seconds from the start of the clip, with the confidence of a prediction."""

    start_s: float
    stop_s: float
    label: str
    confidence: float | None = None


@dataclass(frozen=True)
class Trace:
    """Samples (n, 6) of a placement, m/s² and rad/s; `lag_s`: how much later than the clip's clock its own runs."""

    rate_hz: float
    samples: np.ndarray
    lag_s: float = 0.0
    note: str = ""


@dataclass(frozen=True)
class Motion:
    """Frames of a body: quaternions (F, 24, 4) of the joints in the world, pelvis (F, 3) m, and what is worn where."""

    fps: float
    quats: np.ndarray
    pelvis: np.ndarray
    rest: np.ndarray  # (24, 3) m, joints at rest
    skin: np.ndarray  # (V, 3) m, the person's vertices at rest
    sensors: Mapping[str, tuple[int, np.ndarray, np.ndarray]]  # joint, offset (3,) m and axes (3, 3; columns) in its rest frame


@dataclass(frozen=True)
class Clip:
    """All that the page shows of an entry. `beside`: traces of another table, drawn over those of the same placement; `film`: its
    video, or whether there is one, which a served page then asks for."""

    seconds: float
    bands: Mapping[str, Sequence[Part]] = field(default_factory=dict)
    motion: Motion | None = None
    traces: Mapping[str, Trace] = field(default_factory=dict)
    beside: Mapping[str, Trace] = field(default_factory=dict)
    note: str = ""
    film: Film | bool = False


def motion_of(row: Mapping[str, Any], sites: Mapping[str, Site], start_s: float, stop_s: float) -> Motion:
    """The frames from `start_s` to `stop_s` of a checked row of pose clips, on m3n's stand-in body."""
    body = standin_body()
    fps = float(row["fps"])
    step = max(1, int(fps / FRAMES_HZ))
    chosen = slice(int(start_s * fps), int(np.ceil(stop_s * fps)) + 1, step)
    poses = np.asarray(row["poses"], float).reshape(row["n_frames"], -1, 3)[chosen]
    trans = np.asarray(row["trans"], float).reshape(row["n_frames"], 3)[chosen]
    betas = fitted_betas(body, row["betas"])
    rotations, positions = joint_transforms(body, poses, trans, betas)
    worn = {name: mount(body, betas, site) for name, site in sites.items()}
    return Motion(
        fps / step,
        Rotation.from_matrix(rotations.reshape(-1, 3, 3)).as_quat().reshape(len(poses), -1, 4),
        positions[:, 0],
        rest_joints(body, betas),
        body.v_template + body.shapedirs @ betas,
        {name: (m.joint, m.offset, m.rotation) for name, m in worn.items()},
    )


def plain_entry(entry: Entry) -> list[Any]:
    """As the page takes it: name, label, text, subject, source, start_s, stop_s."""
    times = [round(entry.start_s, 3), round(entry.stop_s, 3)]
    return [entry.name, entry.label, entry.text, entry.subject, entry.source, *times]


def plain_clip(clip: Clip) -> dict[str, Any]:
    """As the page takes it."""
    return {
        "seconds": round(clip.seconds, 4),
        "bands": {
            name: [[round(p.start_s, 3), round(p.stop_s, 3), p.label, p.confidence] for p in parts]
            for name, parts in clip.bands.items()
        },
        "motion": None if clip.motion is None else _plain_motion(clip.motion),
        "traces": {name: _plain_trace(trace) for name, trace in clip.traces.items()},
        "beside": {name: _plain_trace(trace) for name, trace in clip.beside.items()},
        "note": clip.note,
        "film": plain_film(clip.film) if isinstance(clip.film, Film) else clip.film,
    }


def plain_body() -> dict[str, Any]:
    """What all people of the stand-in body share: its triangles, and the bones and weights (of 255) of its vertices."""
    body = standin_body()
    largest = np.argsort(-body.weights, axis=1)[:, :_BONES]
    weights = np.take_along_axis(body.weights, largest, axis=1)
    return {
        "faces": _packed(body.faces, np.uint16),
        "bones": _packed(largest, np.uint8),
        "weights": _packed(np.rint(255 * weights / weights.sum(1, keepdims=True)), np.uint8),
        "parents": body.parents.tolist(),
    }


def _plain_motion(motion: Motion) -> dict[str, Any]:
    reach = float(np.abs(motion.skin).max())
    return {
        "fps": motion.fps,
        "quats": _packed(np.rint(motion.quats * 32767), np.int16),
        "pelvis": _packed(motion.pelvis, np.float32),
        "rest": motion.rest.round(5).tolist(),
        "skin": _packed(np.rint(motion.skin / reach * 32767), np.int16),
        "skin_scale": reach / 32767,
        "sensors": {
            name: {"joint": joint, "offset": offset.round(5).tolist(), "axes": axes.T.round(5).tolist()}
            for name, (joint, offset, axes) in motion.sensors.items()
        },
    }


def _plain_trace(trace: Trace) -> dict[str, Any]:
    return {
        "rate_hz": trace.rate_hz,
        "samples": _packed(trace.samples, np.float32),
        "lag_s": round(trace.lag_s, 4),
        "note": trace.note,
    }


def _packed(values: np.ndarray, kind: Any) -> str:
    """Little-endian numbers as base64."""
    return base64.b64encode(np.ascontiguousarray(values, dtype=np.dtype(kind).newbyteorder("<")).tobytes()).decode("ascii")
