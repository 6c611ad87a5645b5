"""The report on videos is made from what ingest kept, and says what was cut, and why."""

from __future__ import annotations

import json

import numpy as np
import pytest
from video_people import standing

from m3n import schema
from m3n.cli import main
from m3n.commands.ingest_pieces import LOOKS
from m3n.io import tables
from m3n.video.decoding import Frame
from m3n.video.landmarks import OTHER_SIDE
from m3n.video.looks import image_of, look, pictured
from m3n.video.motion import in_sight, motion_of
from m3n.video.tracking import Stretch, Track

FPS, FRAMES = 20.0, 60


@pytest.fixture(scope="module")
def seen():
    """Somebody who stands in front of a grey wall; the right arm is hidden in the second second, and in one frame sides are
    exchanged."""
    times, kept = np.arange(FRAMES) / FPS, {}
    shots = (Frame(time, np.full((900, 1600, 3), 120, np.uint8)) for time in times)
    assert len(list(pictured(shots, 1.0, kept))) == FRAMES
    metres = np.repeat(standing()[None], FRAMES, 0)
    pixels = [800, 450] + 300 * metres[..., :2]
    pixels[5] = pixels[5][OTHER_SIDE]
    visibility = np.ones((FRAMES, 33))
    visibility[20:40, [14, 16]] = 0.02
    track = Track(np.arange(FRAMES), pixels, metres, visibility, np.full(FRAMES, 500.0))
    stretch = Stretch(times, (1600, 900), (track,))
    motion = motion_of(track, stretch)
    return look("video-a", "a.mp4", track, stretch, motion, in_sight(motion, ("left", "right"))[1], kept)


def test_a_look_holds_pictures_of_the_person_and_when_which_arm_was_seen(seen):
    assert [picture["time_s"] for picture in seen["pictures"]] == [0.0, 1.0, 2.0]
    first = seen["pictures"][0]
    height, width, _ = image_of(first).shape
    assert height <= 240
    assert height > width  # it is cut around a person who stands
    points = np.array(first["points"])
    assert (points >= -1).all()
    assert (points <= [width + 1, height + 1]).all()
    assert seen["swapped_s"] == [0.25]
    ((start, stop, reason),) = seen["hidden"]
    assert (start, stop) == (pytest.approx(1.0, abs=0.15), pytest.approx(2.0, abs=0.15))
    assert reason.startswith("the right")
    assert min(seen["visibility"]["right"][6:9]) < 0.1 < min(seen["visibility"]["left"])


def test_the_report_is_pictures_and_a_page_that_says_what_was_left_out(seen, pose_clip, tmp_path):
    poses = tmp_path / "poses"
    (poses / "film").mkdir(parents=True)
    tables.write_table(poses, [pose_clip()], schema.POSE_CLIPS, 1)
    rejected = [schema.Rejected("video-a, 1.00-2.00 s", "a.mp4: the right wrist is hidden (visibility 0.02)", 1.0)]
    tables.write_manifest(
        poses, table="pose_clips", totals={"rows": 1, "seconds": 2.0}, inputs={"a.mp4": ""}, config={}, rejected=rejected
    )
    tables.write_table(poses / "film", [{"item": "video-a", "video": "a.mp4", "look": json.dumps(seen)}], LOOKS, 1)
    assert main(["report", "video", str(tmp_path)]) == 0
    assert (tmp_path / "report" / "film-01.png").read_bytes().startswith(b"\x89PNG")
    said = (tmp_path / "report" / "film.md").read_text()
    assert "1 clips of 2.0 s from 1 videos; people were seen for 3.0 s, and 1 stretches" in said
    assert "| video-a, 1.00-2.00 s | a.mp4: the right wrist is hidden (visibility 0.02) |" in said


def test_what_holds_no_videos_is_refused(pose_clip, tmp_path, capfd):
    corpus = tmp_path / "corpus" / "poses"
    corpus.mkdir(parents=True)
    tables.write_table(corpus, [pose_clip()], schema.POSE_CLIPS, 1)
    tables.write_manifest(corpus, table="pose_clips", totals={"rows": 1}, inputs={}, config={})
    assert main(["report", "video", str(corpus), "--out", str(tmp_path / "out")]) == 2
    assert "holds no pictures of videos: expected the --out of `m3n ingest video`" in capfd.readouterr().err
    assert main(["report", "video", str(tmp_path)]) == 2
    assert "holds no clips: expected the --out of" in capfd.readouterr().err
