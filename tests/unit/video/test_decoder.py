"""Decoding in another process gives the same frames, and a process that crashes or hangs is a line about the file."""

from __future__ import annotations

import signal

import numpy as np
import pytest
from films import written

from m3n.errors import InputError
from m3n.video import decoding
from m3n.video.decoder import Decoder

pytest.importorskip("av", reason="PyAV is not installed: pip install m3n[video]")


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    images = (np.full((48, 64, 3), 20 * k, np.uint8) for k in range(12))
    return written(tmp_path_factory.mktemp("films") / "a.mp4", images, 10)


@pytest.fixture
def decoder():
    with Decoder(patience_s=60.0) as opened:
        yield opened


def stopped(decoder, how):
    decoder._process.send_signal(how)


def test_another_process_gives_the_same_frames(film, decoder, monkeypatch):
    assert decoder.facts(film) == decoding.facts(film)
    monkeypatch.chdir(film.parent)
    found = list(decoder.frames(film.relative_to(film.parent), 0.2, 1.0, max_fps=6))
    expected = list(decoding.frames(film, 0.2, 1.0, max_fps=6))
    assert [frame.time_s for frame in found] == [frame.time_s for frame in expected]
    np.testing.assert_array_equal([frame.image for frame in found], [frame.image for frame in expected])


def test_a_film_ends_when_another_is_asked_for(film, decoder):
    first = decoder.frames(film)
    next(first)
    assert len(list(decoder.frames(film))) == 12
    assert list(first) == []


@pytest.mark.parametrize("how", [signal.SIGSEGV, signal.SIGKILL])
def test_decoding_goes_on_after_one_crash(film, decoder, how):
    times = []
    for frame in decoder.frames(film):
        times.append(frame.time_s)
        if len(times) == 5:
            stopped(decoder, how)
    assert times == [frame.time_s for frame in decoding.frames(film)]


@pytest.mark.parametrize(
    ("how", "said"),
    [
        (signal.SIGSEGV, r"ended in a crash \(Segmentation fault\)"),
        (signal.SIGKILL, r"ended in a crash \(it was killed, perhaps because memory ran out\)"),
        (signal.SIGSTOP, r"came to no end within 0.3 s"),
    ],
)
def test_what_crashes_or_hangs_twice_is_one_line_and_the_next_file_is_read(film, monkeypatch, how, said):
    started = Decoder._started

    def doomed(self):
        process = started(self)
        process.send_signal(how)
        return process

    with Decoder(patience_s=0.3) as decoder:
        with monkeypatch.context() as patch:
            patch.setattr(Decoder, "_started", doomed)
            with pytest.raises(InputError, match=rf"a.mp4: decoding it {said}; is it damaged\?"):
                decoder.facts(film)
            with pytest.raises(InputError, match=rf"a.mp4: decoding it {said} after 0.50 s; is it damaged\?"):
                list(decoder.frames(film, start_s=0.5))
        decoder._patience_s = 60.0
        assert len(list(decoder.frames(film))) == 12


def test_damaged_files_are_said_as_without_another_process(tmp_path, decoder):
    (tmp_path / "a.mp4").write_bytes(b"no video" * 100)
    with pytest.raises(InputError, match=r"a.mp4: is no video that can be read"):
        decoder.facts(tmp_path / "a.mp4")
    with pytest.raises(InputError, match=r"b.mp4: cannot be read \(No such file"):
        list(decoder.frames(tmp_path / "b.mp4"))
