"""Where a film is cut: frames in which another shot begins.

Nobody can be followed across a cut. Frames are compared as small images, by their correlation, which a change of the exposure
leaves as it is. Within a shot of a camera that stands still it stays near 1; another scene brings it near 0. A jump cut, which
keeps the camera's place, changes less, but far more than the frames before it did.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from m3n.video.decoding import Frame

_CELLS = 48  # per side of the small image
_OTHER_SCENE = 0.4  # change, as 1 - correlation
_JUMP, _TIMES = 0.08, 8.0  # a jump cut changes at least so much, and so many times more than the frames before it
_BEFORE = 8  # frames before it that are looked at
_FLAT = 2.0  # standard deviation of an image without content, as of black frames
_FADED = 20.0  # mean difference of two such images that are not the same


def shots(frames: Iterable[Frame]) -> Iterator[Iterator[Frame]]:
    """The frames of each shot, in order; take all frames of a shot before the next."""
    for _, shot in groupby(_numbered(frames), key=lambda pair: pair[0]):
        yield (frame for _, frame in shot)


def _numbered(frames: Iterable[Frame]) -> Iterator[tuple[int, Frame]]:
    number, last = 0, None
    changes: deque[float] = deque(maxlen=_BEFORE)
    for frame in frames:
        small = _small(frame.image)
        if last is not None:
            change = _change(last, small)
            if change > _OTHER_SCENE or (len(changes) == _BEFORE and change > max(_JUMP, _TIMES * max(changes))):
                number += 1
                changes.clear()
            else:
                changes.append(change)
        last = small
        yield number, frame


def _small(image: NDArray[np.uint8]) -> NDArray[np.float32]:
    height, width = image.shape[:2]
    at = (np.arange(_CELLS) + 0.5) / _CELLS
    return image[(at * height).astype(int)[:, None], (at * width).astype(int)].astype(np.float32)


def _change(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    """1 - correlation of two small images; of two without content, 1 if they differ, and else 0."""
    a, b = one - one.mean(), other - other.mean()
    spread = float(a.std()), float(b.std())
    if min(spread) < _FLAT:
        return float(max(spread) > 5 * _FLAT or np.abs(one - other).mean() > _FADED)
    return 1 - float((a * b).mean()) / (spread[0] * spread[1])
