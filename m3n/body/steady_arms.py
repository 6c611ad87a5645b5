"""Arms of constant length from joints whose distances are not constant.

A depth camera finds each joint for itself, so its bones change their lengths: a Kinect's forearm by 2 cm (standard deviation)
within a clip. The hand's end of the arm, a large thing at the outline of the body, is found better than the elbow, and it is
where a wrist sensor goes. Directions of bones alone would pass the elbow's error on to the wrist. So the arm is closed the
other way round: from the shoulder to its end as it is seen, with bones of their median length, and the elbow where the law of
cosines puts it, in the plane in which it was seen. A nearly straight arm is the exception: its reach says little about the
elbow, so there the elbow is left where it was seen.

With a mocap skeleton, whose bones are constant, the joints come back as they were.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from m3n.body.model import FloatArray
from m3n.body.rotations import dot, unit
from m3n.errors import InputError

HAND_SHARE = 0.7  # of the hand joint in the arm's end, where the forearm's length is mostly noise
END_NOISE = 0.5  # of the arm's end, in units of the elbow's
_NOISE_M = 0.005  # variation of the forearm's length at which the hand gets half of that


def steady_arms(seen: Mapping[str, FloatArray]) -> dict[str, FloatArray]:
    """The same joints, name -> (F, 3) m, with elbow, wrist and hand moved so that upper arm and forearm keep their lengths."""
    moved = dict(seen)
    for side in ("left", "right"):
        shoulder, elbow, wrist, hand = (f"{side}_{name}" for name in ("shoulder", "elbow", "wrist", "hand"))
        if elbow in seen and wrist in seen:
            moved |= _steady(seen[shoulder], seen[elbow], seen[wrist], seen.get(hand), (elbow, wrist, hand))
    return moved


def _steady(
    shoulder: FloatArray, elbow: FloatArray, wrist: FloatArray, hand: FloatArray | None, names: tuple[str, str, str]
) -> dict[str, FloatArray]:
    forearm, noise = _length(wrist - elbow)
    end = wrist
    if hand is not None:
        end = wrist + HAND_SHARE * noise**2 / (noise**2 + _NOISE_M**2) * (hand - wrist)
    upper, _ = _length(elbow - shoulder)
    lower, _ = _length(end - elbow)
    if min(upper, lower) < 1e-6:
        raise InputError(
            f"the bones from {names[0].replace('elbow', 'shoulder')} to {names[1]} have no length; are these joints?"
        )
    towards = end - shoulder
    axis, reach = unit(towards), np.linalg.norm(towards, axis=-1)
    out = elbow - shoulder
    out = out - dot(out, axis)[:, None] * axis
    # An error of the elbow changes the reach of a bent arm much and of a straight one little; an error of the reach does the
    # opposite to the elbow. The weights are inverse variances.
    bent = dot(out, out) / (dot(out, out) + (END_NOISE * upper * lower / (upper + lower)) ** 2)
    rigid = np.linalg.norm(upper * unit(elbow - shoulder) + lower * unit(end - elbow), axis=-1)
    reach = np.clip(bent * reach + (1 - bent) * rigid, max(abs(upper - lower), 1e-6), upper + lower)
    along = (reach**2 + upper**2 - lower**2) / (2 * reach)
    aside = np.sqrt(np.maximum(upper**2 - along**2, 0))
    new_elbow = shoulder + along[:, None] * axis + aside[:, None] * unit(out)
    new_wrist = new_elbow + forearm * unit(shoulder + reach[:, None] * axis - new_elbow)
    moved = {names[0]: new_elbow, names[1]: new_wrist}
    return moved if hand is None else {**moved, names[2]: hand + new_wrist - wrist}


def _length(bone: FloatArray) -> tuple[float, float]:
    """Median length (m) and its robust spread: half the distance from the 16th to the 84th percentile."""
    low, middle, high = np.percentile(np.linalg.norm(bone, axis=-1), [16, 50, 84])
    return float(middle), float(0.5 * (high - low))
