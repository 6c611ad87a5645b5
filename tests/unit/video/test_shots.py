"""A film is cut where another scene begins, and where somebody jumps, and nowhere else."""

from __future__ import annotations

import numpy as np
import pytest

from m3n.randomness import generator
from m3n.video.decoding import Frame
from m3n.video.shots import shots


def room(seed):
    """An image (90, 120, 3) with coarse structure, as rooms have."""
    coarse = generator(seed, "room").integers(0, 255, (9, 12, 3))
    return np.repeat(np.repeat(coarse, 10, 0), 10, 1).astype(np.uint8)


def with_somebody(image, column, brightness=1.0):
    """A dark body of a fifth of the image's width, which begins at a column."""
    image = image.copy()
    image[10:, column : column + 24] = (30, 20, 60)
    return np.clip(image * brightness, 0, 255).astype(np.uint8)


def lengths(images):
    return [len(list(shot)) for shot in shots(Frame(k / 30, image) for k, image in enumerate(images))]


def test_another_scene_is_another_shot():
    one, other = room(1), room(2)
    film = [with_somebody(one, 10 + k) for k in range(20)] + [with_somebody(other, 40 - k) for k in range(7)]
    assert lengths(film) == [20, 7]


def test_somebody_who_is_elsewhere_from_one_frame_to_the_next_was_cut():
    scene = room(1)
    film = [with_somebody(scene, 10 + k // 4) for k in range(20)] + [with_somebody(scene, 80) for _ in range(9)]
    assert lengths(film) == [20, 9]


@pytest.mark.parametrize(
    "film",
    [
        [with_somebody(room(1), 5 + 4 * k) for k in range(20)],
        [with_somebody(room(1), 10, 0.3 + 0.03 * k) for k in range(20)],  # the exposure changes
        [with_somebody(room(1), 10 + 8 * (k // 2)) for k in range(20)],  # every frame comes twice
    ],
    ids=["moves", "gets brighter", "frames repeated"],
)
def test_movement_and_light_are_no_cut(film):
    assert lengths(film) == [20]


def test_black_between_shots_belongs_to_neither():
    black = np.zeros((90, 120, 3), np.uint8)
    assert lengths([room(1)] * 5 + [black] * 3 + [room(2)] * 4) == [5, 3, 4]
    assert lengths([black] * 4) == [4]
    assert lengths([]) == []
