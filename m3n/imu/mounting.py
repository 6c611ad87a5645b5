"""How a wrist sensor is mounted: the rotation from its axes to m3n's, for every person of a study, from unlabelled recordings.

Each candidate rotation is applied to a recording's statistics (`m3n.imu.motion_statistics`), and a small network scores how much
they then resemble a wrist in m3n's axes. It was trained on movements written as formulas and on optical motion capture
(see `tools/train_mounting_prior.py`) to pick the true rotation among random ones, so its scores over a grid of all rotations give
a probability (contrastive estimation: van den Oord, Li and Vinyals, arXiv 1807.03748). Rotating a recording rotates the estimate
and changes nothing else.

The participants of a study mostly wear the sensor in the same way. So each person's probability is multiplied by a prior from the
others: with probability 1 - ε this person wears it as the study does, within some degrees, and with ε in any other way. The
study's mounting probably lies along the limb's axes; ε is chosen by maximum likelihood. If the others disagree among themselves,
the prior is flat. A left wrist is treated as the right wrist of the mirrored person.

A forearm that keeps to few postures, as in one exercise or in walking, shows less than its statistics say: whatever the study, the
estimates are then wrong alike. So the scores count less the less gravity's direction varies in the sensor's axes (`doubt`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from itertools import permutations, product
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from m3n.body.model import FloatArray
from m3n.imu.motion_statistics import ODD_CUBES, ODD_MATRICES, ODD_VECTORS, Description, Sums, described

PRIOR = Path(__file__).with_name("mounting_prior.npz")
SURE = 0.8  # confidence from which an estimate is sure
DIFFERS = 0.5  # probability of an own way of wearing it, above which a person is reported
WITHIN_DEG = 25.0  # confidence is the probability of an error up to this
ALIGNED_DEG, TURNED_DEG = 30.0, 45.0  # up to, and from this angle to m3n's axes; between the two: unsure
LEAST_WINDOWS, LEAST_ACTIVE = 30, 6  # of `m3n.imu.motion_statistics`: half a minute, and a few seconds in which the arm turns
MIRROR = np.diag([1.0, -1.0, 1.0])  # from a left wrist's axes to those of the right wrist of the mirrored person

_GRID = 4608  # rotations, about 14 degrees apart
_MEAN_OVER_DEG, _SHIFTS = 40.0, 5  # reach and number of steps of the mean shift
_SPREAD_DEG = 12.0  # of one person's mounting about the study's (standard deviation)
_SHARES = (0.05, 0.2, 0.5, 0.95)  # of people who wear it in their own way
_VOICES = 4.0  # people of one study do the same things, so their errors agree: they count as at most this many
_VARIED, _DOUBTED = 0.011, 1.5  # of `doubt`: postures that are varied enough, and how steeply fewer count less
_MOST_DOUBT = 20.0
_RIGHT_ANGLED = 0.7  # probability that a study's mounting is one of the 24 right-angled ones

_SEVERAL_FIT = "several rotations fit these recordings"
_FEW_POSTURES = "the forearm keeps to few postures: record more kinds of movement"


@dataclass(frozen=True)
class Mounting:
    """How one person wears a sensor. `rotation` (3, 3) maps vectors in the recording's axes to m3n's."""

    rotation: FloatArray
    confidence: float  # 0 to 1: probability that `rotation` is within `WITHIN_DEG` of the truth
    verdict: str  # "aligned", "turned" or "unsure"
    reason: str = ""  # why unsure
    differs: float = 0.0  # probability that this person wears it differently from the rest of the study
    odds: float = 1.0  # likelihood ratio of that

    @property
    def angle_deg(self) -> float:
        """Angle between the recording's axes and m3n's."""
        return angle_deg(self.rotation)


def estimate_mountings(people: Mapping[str, Sums | None], placement: str) -> dict[str, Mounting]:
    """Mounting of every person of a study at one wrist, from the sums over their recordings' windows (None: no window)."""
    mirror = MIRROR if placement.startswith("left") else np.eye(3)
    unknown = {name: reason for name, sums in people.items() if (reason := _too_little(sums))}
    known = {name: sums for name, sums in people.items() if sums is not None and name not in unknown}
    doubts = {name: doubt(sums) for name, sums in known.items()}
    own = {name: _probability(described(sums), doubts[name]) for name, sums in known.items()}
    answers = {}
    for name, (probability, differs, odds) in pooled(own).items():
        rotation, confidence = most_likely(probability)
        reason = _FEW_POSTURES if doubts[name] > 1 else _SEVERAL_FIT
        answers[name] = _with_verdict(mirror @ rotation @ mirror, confidence, differs, odds, reason)
    return {name: answers[name] if name in answers else Mounting(np.eye(3), 0.0, "unsure", unknown[name]) for name in people}


def _too_little(sums: Sums | None) -> str:
    if sums is None or sums["windows"] < LEAST_WINDOWS:
        return "under half a minute of samples"
    if sums["active"] < LEAST_ACTIVE:
        return "the arm hardly turns in these recordings"
    return ""


def doubt(sums: Sums) -> float:
    """By how much the scores count less: 1 for a forearm that takes postures in all directions, more for one that keeps to few.

    The product of gravity's shares in the two directions that have least of it (1/9 where it points everywhere alike), over
    `_VARIED`, to the power of -`_DOUBTED`. Chosen on simulated people and on studies cut out of seglearn and GeoTec
    (docs/mounting.md).
    """
    least, middle, _ = np.linalg.eigvalsh(sums["uu"] / sums["windows"])
    return float(min(max(1.0, (_VARIED / max(least * middle, 1e-9)) ** _DOUBTED), _MOST_DOUBT))


def _with_verdict(
    rotation: FloatArray, confidence: float, differs: float, odds: float, doubtful: str = _SEVERAL_FIT
) -> Mounting:
    angle = angle_deg(rotation)
    verdict, reason = ("aligned" if angle <= ALIGNED_DEG else "turned"), ""
    if confidence < SURE:
        verdict, reason = "unsure", doubtful
    elif ALIGNED_DEG < angle < TURNED_DEG:
        verdict, reason = (
            "unsure",
            f"{ALIGNED_DEG:.0f}° to {TURNED_DEG:.0f}° from m3n's axes: neither aligned nor clearly turned",
        )
    return Mounting(rotation, confidence, verdict, reason, differs, odds)


def pooled(own: Mapping[str, FloatArray]) -> dict[str, tuple[FloatArray, float, float]]:
    """Each person's probability over the grid, combined with the prior from the others of the study; the probability that this
    person differs from the study; and the likelihood ratio of that."""
    if len(own) < 2:
        return {name: (probability, 0.0, 1.0) for name, probability in own.items()}
    spread = _neighbourhood()
    fits = np.stack([_GRID * spread @ probability for probability in own.values()])  # likelihood ratio of each study mounting
    weight = min(1.0, _VOICES / (len(own) - 1))
    prior = np.log(_study_prior())
    evidence = {share: _log_sum(prior + weight * np.log((1 - share) * fits + share).sum(0)) for share in _SHARES}
    share = max(evidence, key=lambda s: evidence[s])
    log_fits = np.log((1 - share) * fits + share)
    every = log_fits.sum(0)
    found = {}
    for fit, log_fit, (name, probability) in zip(fits, log_fits, own.items(), strict=True):
        others = prior + weight * (every - log_fit)
        study = np.exp(others - others.max())
        study /= study.sum()
        agrees = max(float(study @ fit), 1e-12)
        combined = probability * ((1 - share) * (spread.T @ study) + share / _GRID)
        found[name] = (combined / combined.sum(), share / (share + (1 - share) * agrees), 1 / agrees)
    return found


def most_likely(probability: FloatArray) -> tuple[FloatArray, float]:
    """The mode of the probability over the grid, and the probability within `WITHIN_DEG` of it.

    Mean shift (Comaniciu and Meer, IEEE TPAMI 24(5), 2002): from the grid's best neighbourhood to the mean of its surroundings.
    """
    flat = grid().reshape(_GRID, 9)
    peaks = np.argsort(probability)[-48:]
    rotation = flat[peaks[np.argmax((flat[peaks] @ flat.T >= _trace(WITHIN_DEG)) @ probability)]].reshape(3, 3)
    for _ in range(_SHIFTS):
        near = flat @ rotation.ravel() >= _trace(_MEAN_OVER_DEG)
        u, _, vt = np.linalg.svd((probability * near @ flat).reshape(3, 3))
        rotation = u @ np.diag([1.0, 1.0, np.linalg.det(u @ vt)]) @ vt
    return rotation, min(1.0, float(probability @ (flat @ rotation.ravel() >= _trace(WITHIN_DEG))))


def _trace(angle_degrees: float) -> float:
    """Trace of a rotation by an angle; the trace of A'B decreases with the angle between A and B."""
    return float(1 + 2 * np.cos(np.radians(angle_degrees)))


def _probability(description: Description, doubted: float) -> FloatArray:
    scores = rotation_scores(description, grid())
    probability: FloatArray = np.exp((scores - scores.max()) / (float(_network()["temperature"]) * doubted))
    return probability / probability.sum()


def rotation_scores(description: Description, rotations: FloatArray) -> FloatArray:
    """How well each of `rotations` (k, 3, 3), reflections allowed, makes the statistics those of a right wrist in m3n's axes; (k,).

    Log-probabilities up to a constant.
    """
    network = _network()
    scores = []
    for some in np.array_split(rotations, max(1, len(rotations) // 1024)):
        turned = turned_statistics(description, some)
        each = [
            _silu(_silu(turned @ w1 + b1) @ w2 + b2) @ w3
            for w1, b1, w2, b2, w3 in zip(*(network[k] for k in ("w1", "b1", "w2", "b2", "w3")), strict=True)
        ]
        scores.append(np.mean(each, axis=0))
    return np.concatenate(scores)


def turned_statistics(description: Description, rotations: FloatArray) -> FloatArray:
    """The statistics rotated by each of `rotations` (k, 3, 3), flattened to (k, values)."""
    r = np.asarray(rotations, np.float32)
    sign = np.sign(np.linalg.det(rotations)).astype(np.float32)[:, None]
    vectors, matrices, cubes = (
        np.asarray(t, np.float32) for t in (description.vectors, description.matrices, description.cubes)
    )
    vectors = np.einsum("kij,nj->kni", r, vectors)
    matrices = np.einsum("kil,kjm,nlm->knij", r, r, matrices, optimize=True)
    cubes = np.einsum("kip,nplm->knilm", r, cubes, optimize=True)
    cubes = np.einsum("kjl,knilm->knijm", r, cubes, optimize=True)
    cubes = np.einsum("kml,knijl->knijm", r, cubes, optimize=True)
    parts = []
    for tensors, odd in ((vectors, ODD_VECTORS), (matrices, ODD_MATRICES), (cubes, ODD_CUBES)):
        flat = tensors.reshape(len(r), len(odd), -1)
        parts.append((flat * np.where(odd, sign, np.float32(1))[..., None]).reshape(len(r), -1))
    scalars = np.broadcast_to(np.asarray(description.scalars, np.float32), (len(r), len(description.scalars)))
    return np.concatenate([*parts, scalars], axis=1)


def nearest_axes(rotation: FloatArray) -> tuple[str, float]:
    """The setting `axes.<placement>` nearest to a rotation, such as "[-x,-y,z]", and the angle between the two in degrees."""
    best = min(right_angles(), key=lambda r: angle_deg(r.T @ rotation))
    names = [("-" if row[i] < 0 else "") + "xyz"[i] for row in best for i in [int(np.argmax(np.abs(row)))]]
    return f"[{','.join(names)}]", angle_deg(best.T @ rotation)


def angle_deg(rotation: FloatArray) -> float:
    """Angle of a rotation matrix in degrees."""
    return float(np.degrees(np.arccos(np.clip((np.trace(rotation) - 1) / 2, -1, 1))))


@cache
def right_angles() -> FloatArray:
    """The 24 rotations (24, 3, 3) that map coordinate axes to coordinate axes."""
    found = []
    for order, signs in product(permutations(range(3)), product((1.0, -1.0), repeat=3)):
        matrix = np.eye(3)[list(order)] * np.array(signs)[:, None]
        if np.linalg.det(matrix) > 0:
            found.append(matrix)
    return np.array(found)


@cache
def grid() -> FloatArray:
    """Evenly spread rotations (n, 3, 3): super-Fibonacci spirals (Alexa, CVPR 2022)."""
    s = np.arange(_GRID) + 0.5
    inner, outer = np.sqrt(s / _GRID), np.sqrt(1 - s / _GRID)
    alpha, beta = 2 * np.pi * s / np.sqrt(2), 2 * np.pi * s / 1.533751168755204288118041
    quaternions = np.stack([inner * np.sin(alpha), inner * np.cos(alpha), outer * np.sin(beta), outer * np.cos(beta)], axis=1)
    matrices: FloatArray = Rotation.from_quat(quaternions).as_matrix()
    return matrices


@cache
def _neighbourhood() -> FloatArray:
    """(study's mounting, person's mounting): probability of the second given the first."""
    flat = grid().reshape(_GRID, 9).astype(np.float32)
    cosine = np.clip((flat @ flat.T - 1) / 2, -1, 1)
    # 1 - cos is about half the squared angle, and far cheaper than the angle over 21 million pairs
    near = np.exp((cosine - 1) / np.float32(np.radians(_SPREAD_DEG) ** 2))
    near /= near.sum(axis=1, keepdims=True)
    return near


@cache
def _study_prior() -> FloatArray:
    cosine = ((grid().reshape(_GRID, 9) @ right_angles().reshape(24, 9).T).max(1) - 1) / 2
    near = np.exp((cosine - 1) / np.radians(_SPREAD_DEG) ** 2)
    prior: FloatArray = _RIGHT_ANGLED * near / near.sum() + (1 - _RIGHT_ANGLED) / _GRID
    return prior


@cache
def _network() -> dict[str, FloatArray]:
    with np.load(PRIOR, allow_pickle=False) as file:
        return {name: file[name].astype(np.float32) for name in file.files}


def _silu(x: FloatArray) -> FloatArray:
    result: FloatArray = x / (1 + np.exp(-np.clip(x, -60, 60)))
    return result


def _log_sum(x: FloatArray) -> float:
    top = float(np.max(x))
    return top + float(np.log(np.exp(x - top).sum()))
