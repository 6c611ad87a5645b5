"""Videos become pose clips: a real one end to end, and what is said of files, names and stretches."""

from __future__ import annotations

from itertools import chain

import numpy as np
import pytest
from films import unpacked, written

from m3n.errors import InputError
from m3n.schema import Rejected, check_pose_clip
from m3n.sources.poses import video
from m3n.sources.poses.video import Options
from m3n.sources.shared.ingest_notes import Notes
from m3n.video.decoding import frames


@pytest.fixture(scope="session")
def filmed(tmp_path_factory):
    """A folder with two films of somebody balancing, 1.7 s."""
    folder = tmp_path_factory.mktemp("filmed")
    (folder / "standing_on_one_leg").mkdir()
    unpacked("single_cam04.mp4", folder / "standing_on_one_leg" / "anna_1.mp4")
    unpacked("single_cam03.mp4", folder / "other_side.mp4")
    return folder


@pytest.fixture
def blank(tmp_path):
    """A folder with two grey films of 4 s."""
    for name in ("anna.mp4", "bela.mov"):
        written(tmp_path / name, (np.full((48, 64, 3), 90, np.uint8) for _ in range(40)), 10)
    return tmp_path


def test_a_film_of_a_person_becomes_a_clip_with_the_words_of_its_name(filmed):
    notes = Notes()
    film = filmed / "standing_on_one_leg" / "anna_1.mp4"
    rows = list(video.pose_clips(film, Options(path="{label}/{subject}_*.mp4", max_fps=10), notes))
    assert notes.figures() == {}  # one person, and nothing to put right
    (row,) = rows
    assert check_pose_clip(row) is None
    assert (row["clip_id"], row["subject"]) == ("video-anna_1", "anna")
    assert (row["label"], row["text"]) == ("standing_on_one_leg", "standing on one leg")
    assert row["fps"] == pytest.approx(10, rel=0.01)
    assert row["n_frames"] == pytest.approx(17, abs=1)
    assert np.ptp(np.asarray(row["trans"]).reshape(-1, 3), axis=0).max() < 1.0  # whoever balances stays there


def test_a_folder_without_a_video_says_what_was_expected(tmp_path):
    (tmp_path / "notes.txt").write_text("none")
    with pytest.raises(InputError, match=r"no video in it; expected files ending in .mp4"):
        list(video.pieces(tmp_path, Options()))


def test_a_cut_film_becomes_a_clip_for_each_shot(filmed, tmp_path):
    both = (frames(filmed / name, stop_s=0.9, max_fps=10) for name in ("standing_on_one_leg/anna_1.mp4", "other_side.mp4"))
    written(tmp_path / "cut.mp4", (frame.image[::2, ::2] for frame in chain(*both)), 10)
    notes = Notes()
    rows = list(video.pose_clips(tmp_path / "cut.mp4", Options(label="balance", arms="left"), notes))
    assert [row["clip_id"] for row in rows] == ["video-cut", "video-cut-0.9s"]
    assert notes.figures()["cuts between shots"] == 1
    assert {row.file for row in rows} == {"cut.mp4"}


def test_rows_of_labels_are_pieces_and_come_before_names_and_settings(blank):
    (blank / "labels.csv").write_text("file,start_s,stop_s,label,text\nanna.mp4,0.5,1.5,wave,\nanna.mp4,1.5,4,,she bows\n")
    options = Options(path="{subject}.*", labels=str(blank / "labels.csv"), label="rest", text=None)
    notes = Notes()
    first, second = video.pieces(blank, options, notes)
    assert (first.clip_id, first.start_s, first.stop_s) == ("video-anna-0.5s", 0.5, 1.5)
    assert (first.label, first.text, first.subject) == ("wave", "wave", "anna")
    assert (second.start_s, second.stop_s) == (1.5, None)  # to the end
    assert (second.label, second.text) == ("rest", "she bows")
    assert notes.figures() == {"videos left out, because the labels have no row for them": 1}
    moves = options.model_copy(update={"text": "somebody moves"})
    texts = [piece.text for piece in video.pieces(blank, moves)]
    assert texts == ["somebody moves", "she bows"]


def test_what_labels_and_subtitles_say_must_fit_the_videos(blank):
    labels, captions = blank / "labels.csv", blank / "anna.srt"
    labels.write_text("file,start_s,stop_s,label\nanna.mp4,3,9,wave\n")
    with pytest.raises(InputError, match=r"labels.csv, line 2: 9 s is outside anna.mp4, which ends at 4.00 s"):
        list(video.pieces(blank, Options(labels=str(labels))))
    captions.write_text("1\n00:00:01,000 --> 00:00:02,500\nShe waves\n")
    with pytest.raises(InputError, match=r"subtitles=.* belong to one video: give the video, not its folder"):
        list(video.pieces(blank, Options(subtitles=str(captions))))
    (piece,) = video.pieces(blank / "anna.mp4", Options(subtitles=str(captions), label="greet"))
    assert (piece.clip_id, piece.start_s, piece.stop_s, piece.text) == ("video-anna-1s", 1.0, 2.5, "She waves")
    assert piece.label == "greet"
    with pytest.raises(ValueError, match=r"labels= and subtitles= both say"):
        Options(subtitles="a.srt", labels="a.csv")
    with pytest.raises(ValueError, match=r"label= and the \{label\} of path= both say it"):
        Options(path="{label}/*.mp4", label="wave")


def test_videos_that_differ_in_their_ending_alone_are_two(blank):
    (blank / "bela.mov").rename(blank / "anna.mov")
    assert [piece.clip_id for piece in video.pieces(blank, Options())] == ["video-anna.mov", "video-anna.mp4"]


def test_a_long_video_is_read_in_stretches_that_depend_on_nothing_else(blank):
    stretches = [
        (p.start_s, p.stop_s) for p in video.pieces(blank / "anna.mp4", Options().model_copy(update={"stretch_s": 1.5}))
    ]
    assert stretches == [(0.0, 1.5), (1.5, 3.0), (3.0, None)]


def test_a_damaged_video_in_a_folder_is_left_out_and_a_single_one_is_refused(tmp_path):
    pytest.importorskip("av", reason="PyAV is not installed: pip install m3n[video]")
    (tmp_path / "a.mp4").write_bytes(b"no video" * 100)
    rows = list(video.pose_clips(tmp_path, Options()))
    assert [row.reason for row in rows if isinstance(row, Rejected)] == [rows[0].reason]
    assert rows[0].reason.startswith("a.mp4: is no video that can be read")
    with pytest.raises(InputError, match=r"a.mp4: is no video"):
        list(video.pose_clips(tmp_path / "a.mp4", Options()))
