"""Missing frames: what is bridged, what splits a clip, and where the bridge runs."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from m3n.sources.shared.gaps import MAX_GAP_FRAMES, bridged, long_gaps, part_id, stretches


@pytest.mark.parametrize(("missing", "parts"), [(0, 1), (MAX_GAP_FRAMES, 1), (MAX_GAP_FRAMES + 1, 2)])
def test_so_many_frames_may_be_missing_in_a_row(missing: int, parts: int) -> None:
    frames = np.r_[np.arange(10), np.arange(10 + missing, 20 + missing)]
    pieces = stretches(frames, MAX_GAP_FRAMES)
    assert len(pieces) == parts
    assert sum(piece.stop - piece.start for piece in pieces) == 20
    lost = np.ones((20 + missing, 2), bool)
    lost[10 : 10 + missing, 1] = False
    assert long_gaps(lost, MAX_GAP_FRAMES).sum() == (missing if parts == 2 else 0)
    assert not long_gaps(lost, MAX_GAP_FRAMES)[:, 0].any()


def test_breaks_split_without_a_gap_and_single_frames_are_left_out() -> None:
    frames = np.array([0, 1, 2, 3, 20, 40, 41])
    assert stretches(frames, 5) == [slice(0, 4), slice(5, 7)]
    assert stretches(frames, 5, [2]) == [slice(0, 2), slice(2, 4), slice(5, 7)]
    assert stretches(np.zeros(0, int), 5) == []


def test_a_bridge_turns_evenly_and_goes_straight() -> None:
    """Slerp: equal angles about one axis."""
    axis, frames = np.array([0.0, 0.6, 0.8]), np.array([0, 1, 5])
    angles = np.array([0.0, 0.1, 0.9])
    poses = (angles[:, None] * axis)[:, None]
    place = np.array([(0, 0, 0), (1, 0, 0), (5, 4, 0)], float)
    turned, moved = bridged(frames, poses, place)
    expected = np.array([0.0, 0.1, 0.3, 0.5, 0.7, 0.9])
    np.testing.assert_allclose(turned[:, 0], expected[:, None] * axis, atol=1e-12)
    np.testing.assert_allclose(moved, [(0, 0, 0), (1, 0, 0), (2, 1, 0), (3, 2, 0), (4, 3, 0), (5, 4, 0)], atol=1e-12)


def test_a_bridge_takes_the_short_way_round() -> None:
    ends = Rotation.from_rotvec([(0, 0, 3.0), (0, 0, -3.0)])
    turned, _ = bridged(np.array([0, 2]), ends.as_rotvec()[:, None], np.zeros((2, 3)))
    assert (Rotation.from_rotvec(turned[1, 0]) * ends[0].inv()).magnitude() == pytest.approx(np.pi - 3.0)


def test_parts_are_numbered_from_one() -> None:
    assert part_id("a", 0, 1) == "a"
    assert [part_id("a", k, 2) for k in range(2)] == ["a-part1", "a-part2"]
