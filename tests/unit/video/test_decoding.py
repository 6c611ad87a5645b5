"""Videos are read upright and by their time stamps, and files that are none are one clear line."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from m3n.errors import InputError
from m3n.video import decoding

av = pytest.importorskip("av", reason="PyAV is not installed: pip install m3n[video]")
WIDTH, HEIGHT = 64, 48


def write_video(file, stamps_ms, size=(WIDTH, HEIGHT)):
    """A video whose frames get brighter, at the given time stamps; the top left quarter is red."""
    with av.open(str(file), "w") as container:
        stream = container.add_stream("mpeg4", rate=30)
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        stream.codec_context.time_base = stream.time_base = Fraction(1, 1000)
        for k, stamp in enumerate(stamps_ms):
            image = np.full((size[1], size[0], 3), 40 + 2 * k, np.uint8)
            image[: size[1] // 2, : size[0] // 2] = (250, 0, 0)
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts, frame.time_base = stamp, Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return file


def test_frames_come_with_the_time_stamps_of_the_file(tmp_path):
    stamps = [0, 33, 66, 150, 183, 400]
    video = write_video(tmp_path / "a.mp4", stamps)
    assert [frame.time_s for frame in decoding.frames(video)] == pytest.approx(np.array(stamps) / 1000, abs=0.002)


def test_a_stretch_holds_its_own_frames_whatever_key_frame_comes_before(tmp_path):
    video = write_video(tmp_path / "a.mp4", [33 * k for k in range(40)])
    whole = [frame.time_s for frame in decoding.frames(video)]
    parts = [frame.time_s for a, b in ((0, 0.4), (0.4, 0.8), (0.8, None)) for frame in decoding.frames(video, a, b)]
    assert parts == whole


def test_frames_beyond_the_largest_rate_are_skipped(tmp_path):
    video = write_video(tmp_path / "a.mp4", [10 * k for k in range(60)])
    steps = np.diff([frame.time_s for frame in decoding.frames(video, max_fps=25)])
    assert steps.min() >= 0.036
    assert steps.max() <= 0.05


def test_a_phone_held_upright_gives_upright_images(tmp_path):
    video = write_video(tmp_path / "a.mov", [0, 33, 66])
    content = video.read_bytes()
    at = content.index(b"tkhd") + 4 + 40  # version 0: the display matrix lies 40 bytes into the box
    turned = np.array([0, 1 << 16, 0, -(1 << 16), 0, 0, 0, 0, 1 << 30], ">i4").tobytes()  # by 90 degrees, clockwise
    video.write_bytes(content[:at] + turned + content[at + 36 :])
    image = next(decoding.frames(video)).image
    assert image.shape == (WIDTH, HEIGHT, 3)
    red = image[..., 0].astype(int) - image[..., 1]
    assert red[: WIDTH // 2, HEIGHT // 2 :].mean() > 150  # the top left quarter comes to the top right
    assert red[WIDTH // 2 :].mean() < 50


def test_damaged_videos_end_in_one_clear_line_or_in_whole_images(tmp_path):
    sound = write_video(tmp_path / "a.mp4", [33 * k for k in range(12)]).read_bytes()
    file, rng, messages, images = tmp_path / "damaged.mp4", np.random.default_rng(0), [], 0
    for number in range(60):
        content = bytearray(sound)
        if number % 3 == 0:
            content = content[: rng.integers(1, len(sound))]
        else:
            for place in rng.integers(0, len(sound), 1 << rng.integers(0, 8)):
                content[place] ^= 1 << rng.integers(8)
        file.write_bytes(content)
        try:
            decoding.facts(file)
            shapes = {frame.image.shape for frame in decoding.frames(file)}
            assert shapes <= {(HEIGHT, WIDTH, 3)} or number % 3
            images += bool(shapes)
        except InputError as error:
            messages.append(str(error))
    assert images
    assert messages
    assert all(message.startswith("damaged.mp4: ") for message in messages)


@pytest.mark.parametrize(
    ("content", "said"),
    [(b"", "a.mp4: is empty"), (b"no video" * 100, "a.mp4: is no video that can be read"), (b"\0\0\0\x18ftypmp42", "a.mp4: ")],
)
def test_a_file_that_is_no_video_is_one_clear_line(tmp_path, content, said):
    file = tmp_path / "a.mp4"
    file.write_bytes(content)
    with pytest.raises(InputError, match=said):
        decoding.facts(file)


def test_a_file_with_sound_alone_says_so(tmp_path):
    file = tmp_path / "a.mp4"
    with av.open(str(file), "w") as container:
        stream = container.add_stream("aac", rate=16000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 16000), np.float32), format="fltp", layout="mono")
        frame.sample_rate, frame.pts = 16000, 0
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    with pytest.raises(InputError, match="holds no video, only audio"):
        decoding.facts(file)
