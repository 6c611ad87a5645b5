"""The region around a person, and how it is cut out of the image."""

from __future__ import annotations

import numpy as np
import pytest

from m3n.video.networks import Region, cropped


def test_a_region_is_upright_for_whoever_is_upright_in_the_image():
    region = Region.around(np.array([100.0, 200.0]), np.array([100.0, 80.0]))  # y points down
    assert (region.x, region.y, region.turn) == (100.0, 200.0, 0.0)
    assert region.side == pytest.approx(1.25 * 2 * 120)
    lying = Region.around(np.array([100.0, 200.0]), np.array([220.0, 200.0]))
    assert abs(lying.turn) == pytest.approx(np.pi / 2)


@pytest.mark.parametrize("turn", [0.0, 0.7, np.pi / 2])
def test_a_crop_shows_the_image_at_the_places_that_its_map_says(turn):
    rows, columns = np.mgrid[0:120, 0:160]
    image = np.stack([columns, rows, np.full_like(rows, 7)], axis=-1).astype(np.uint8)
    crop, to_image = cropped(image, Region(80.0, 60.0, 50.0, turn), 32, 1.0, 0.0, replicate=True)
    for point in ((3, 5), (16, 16), (30, 9)):
        expected = to_image[:, :2] @ point + to_image[:, 2]
        assert crop[point[1], point[0], :2] == pytest.approx(expected, abs=1e-3)
    assert crop[16, 16, 2] == 7


def test_outside_the_image_is_black_or_the_nearest_pixel():
    image = np.full((20, 20, 3), 200, np.uint8)
    far = Region(0.0, 0.0, 40.0, 0.0)
    assert cropped(image, far, 16, 1.0, 0.0, replicate=False)[0][0, 0].tolist() == [0, 0, 0]
    assert cropped(image, far, 16, 1.0, 0.0, replicate=True)[0][0, 0].tolist() == [200, 200, 200]
