"""Clips that came from a video are shown beside it, as long as it is there and the same."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from video_people import filmed, standing

from m3n import schema
from m3n.commands.view.command import save
from m3n.commands.view.places import open_place
from m3n.config import ViewConfig
from m3n.errors import InputError
from m3n.io import tables
from m3n.reports.view.film import plain_film

START_S, FPS = 0.5, 20.0


@pytest.fixture
def poses(pose_clip, tmp_path: Path) -> Path:
    return filmed(tmp_path, pose_clip("video-walk", 61), start_s=START_S)


def test_pictures_and_landmarks_are_those_of_the_clip_in_the_video(poses: Path) -> None:
    place = open_place(poses, ViewConfig(), 10)
    assert place.clip(0).film is True
    film = place.film(0, 1e6)
    np.testing.assert_allclose(film.times_s, np.arange(20) / 10, atol=1e-6)
    levels = [np.asarray(Image.open(io.BytesIO(picture)))[3, 3].mean() for picture in film.pictures]
    np.testing.assert_allclose(levels, 10 + 5 * FPS * (film.times_s + START_S), atol=4)
    expected = (32 * standing()[11:, :2] + [16, 64]) / [64, 128]
    moved = (START_S + film.times_s)[:, None] * 8 / 64
    np.testing.assert_allclose(film.points[..., 0], expected[:, 0] + moved, atol=1e-4)
    np.testing.assert_allclose(film.points[..., 1], np.broadcast_to(expected[:, 1], (*moved.shape[:1], 22)), atol=1e-4)
    assert (film.visibility == 1).all()
    assert all(0 <= end < 22 for a, b, _ in plain_film(film)["bones"] for end in (a, b))


def test_fewer_pictures_where_they_would_need_too_much_room(poses: Path) -> None:
    place = open_place(poses, ViewConfig(), 10)
    whole = sum(map(len, place.film(0, 1e6).pictures))
    film = place.film(0, whole / 2.5)
    assert sum(map(len, film.pictures)) <= whole / 2.5
    np.testing.assert_allclose(film.times_s, np.arange(0, 20, 3) / 10, atol=1e-6)


def test_what_was_simulated_has_the_videos_of_the_poses_beside_it(poses: Path, synthetic_clip) -> None:
    (poses.parent / "synthetic").mkdir()
    rows = [synthetic_clip("video-walk"), synthetic_clip("authored")]
    columns = schema.synthetic_clips(("left_wrist", "right_wrist"))
    tables.write_table(poses.parent / "synthetic", rows, columns, 2)
    place = open_place(poses.parent / "synthetic", ViewConfig(), 10)
    assert [place.clip(number).film for number in (0, 1)] == [True, False]
    with pytest.raises(InputError, match="authored has no video"):
        place.film(1, 1e6)


@pytest.mark.parametrize("change", [Path.unlink, lambda file: file.write_bytes(b"another")])
def test_a_video_that_is_gone_or_another_is_said_and_not_shown(poses: Path, change) -> None:
    change(poses.parent / "walk.mp4")
    place = open_place(poses, ViewConfig(), 10)
    assert place.clip(0).film is False
    assert place.notice == f"{poses.parent / 'walk.mp4'} is gone or has changed: clips are shown without it."


def test_a_saved_page_can_do_without_videos(poses: Path) -> None:
    pages = [poses.parent / f"{size}.html" for size in (0, 12)]
    for page, size in zip(pages, (0, 12), strict=True):
        save(poses, None, page, ViewConfig(film_mb=size))
    assert ["/9j/" in page.read_text() for page in pages] == [False, True]  # how JPEG begins, as base64
