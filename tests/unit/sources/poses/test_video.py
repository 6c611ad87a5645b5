"""Videos become pose clips: a real one end to end, and what is said of files, names and stretches."""

from __future__ import annotations

import zipfile

import numpy as np
import pytest
from places import DATA

from m3n.errors import InputError
from m3n.schema import Rejected, check_pose_clip
from m3n.sources.poses import video
from m3n.sources.poses.video import Options
from m3n.sources.shared.ingest_notes import Notes
from m3n.video.network_files import checked_folder


@pytest.fixture(scope="session")
def filmed(tmp_path_factory):
    """A folder with a video of somebody balancing, 1.7 s."""
    try:
        checked_folder()
    except InputError as error:
        pytest.skip(str(error))
    if not (DATA / "videos.zip").exists():
        pytest.skip("M3N_DATA has no videos.zip")
    folder = tmp_path_factory.mktemp("filmed")
    with zipfile.ZipFile(DATA / "videos.zip") as archive:
        for name, label in (("single_cam04.mp4", "standing_on_one_leg"),):
            (folder / label).mkdir()
            found = next(n for n in archive.namelist() if n.endswith(name))
            (folder / label / "anna_1.mp4").write_bytes(archive.read(found))
    return folder


def test_a_film_of_a_person_becomes_a_clip_with_the_words_of_its_name(filmed):
    notes = Notes()
    rows = list(video.pose_clips(filmed, Options(path="{label}/{subject}_*.mp4", max_fps=20), notes))
    assert notes.figures() == {}  # one person, and nothing to put right
    assert [type(row) for row in rows] == [dict]
    row = rows[0]
    assert check_pose_clip(row) is None
    assert (row["clip_id"], row["subject"]) == ("video-standing_on_one_leg/anna_1", "anna")
    assert (row["label"], row["text"]) == ("standing_on_one_leg", "standing on one leg")
    assert row["fps"] == pytest.approx(20, rel=0.01)
    assert row["n_frames"] == pytest.approx(33, abs=1)
    assert np.ptp(np.asarray(row["trans"]).reshape(-1, 3), axis=0).max() < 1.0  # whoever balances stays there


def test_a_folder_without_a_video_says_what_was_expected(tmp_path):
    (tmp_path / "notes.txt").write_text("none")
    with pytest.raises(InputError, match=r"no video in it; expected files ending in .mp4"):
        list(video.pieces(tmp_path, Options()))


def test_a_damaged_video_in_a_folder_is_left_out_and_a_single_one_is_refused(tmp_path):
    pytest.importorskip("av", reason="PyAV is not installed: pip install m3n[video]")
    (tmp_path / "a.mp4").write_bytes(b"no video" * 100)
    rows = list(video.pose_clips(tmp_path, Options()))
    assert [row.reason for row in rows if isinstance(row, Rejected)] == [rows[0].reason]
    assert rows[0].reason.startswith("a.mp4: is no video that can be read")
    with pytest.raises(InputError, match=r"a.mp4: is no video"):
        list(video.pose_clips(tmp_path / "a.mp4", Options()))
