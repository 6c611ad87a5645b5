"""Markers that the cameras lost, found from the others of the same rigid part.

A part's shape (its markers, as they lie to each other) is taken from frames that show all of them, in the clip or in another
one of the same person and session. Where at least three others are seen, the least-squares rotation and translation that lays
the shape over them (Arun, Huang and Blostein, IEEE PAMI 9(5), 1987) says where the hidden one is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from m3n.body.marker_sets import MarkerSet, plain_labels
from m3n.body.model import FloatArray

_FEWEST = 3  # markers that give a part's rotation
_SOME = 50  # frames that a shape is averaged over
Shapes = dict[tuple[str, ...], FloatArray]  # labels of a rigid part -> (k, 3) m


def part_shapes(markers: FloatArray, labels: Sequence[str], known: MarkerSet) -> Shapes:
    """The shape of each rigid part of which some frames of `markers` (F, M, 3) m show every marker; a hidden one is NaN."""
    shapes: Shapes = {}
    for part, columns in _parts(labels, known).items():
        points = markers[:, columns]
        whole = np.flatnonzero(np.isfinite(points).all((1, 2)))
        if len(whole):
            some = points[whole[:: max(1, len(whole) // _SOME)]]
            first = some[0] - some[0].mean(0)
            turns, _ = _laid_over(some, np.broadcast_to(first, some.shape))
            centred = some - some.mean(1, keepdims=True)
            shapes[part] = np.einsum("fij,fkj->fki", turns, centred).mean(0)
    return shapes


def with_hidden(
    markers: FloatArray, labels: Sequence[str], known: MarkerSet, shapes: Mapping[tuple[str, ...], FloatArray]
) -> tuple[FloatArray, NDArray[np.bool_]]:
    """The markers (F, M, 3) m with those hidden ones (NaN) that `shapes` tell, and which (F, M) those are."""
    full, found = markers.copy(), np.zeros(markers.shape[:2], bool)
    for part, columns in _parts(labels, known).items():
        if part not in shapes:
            continue
        points, shape = full[:, columns], shapes[part]
        seen = np.isfinite(points).all(-1)
        for pattern in np.unique(seen, axis=0):
            if pattern.all() or pattern.sum() < _FEWEST:
                continue
            frames = np.flatnonzero((seen == pattern).all(1))
            there = points[frames][:, pattern]
            turns, shifts = _laid_over(np.broadcast_to(shape[pattern], there.shape), there)
            for k in np.flatnonzero(~pattern):
                full[frames, columns[k]] = turns @ shape[k] + shifts
                found[frames, columns[k]] = True
    return full, found


def _parts(labels: Sequence[str], known: MarkerSet) -> dict[tuple[str, ...], list[int]]:
    """Labels of each rigid part that the recording has -> their columns."""
    place = plain_labels(labels)
    return {part: [place[label] for label in part] for part in known.rigid if all(label in place for label in part)}


def _laid_over(source: FloatArray, target: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Rotations (F, 3, 3) and shifts (F, 3) that lay points (F, k, 3) over others, by least squares."""
    start, end = source.mean(1), target.mean(1)
    u, _, vt = np.linalg.svd(np.einsum("fki,fkj->fij", target - end[:, None], source - start[:, None]))
    u[..., 2] *= np.sign(np.linalg.det(u @ vt))[:, None]  # a rotation, never a reflection
    turns = u @ vt
    return turns, end - np.einsum("fij,fj->fi", turns, start)
