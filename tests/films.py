"""Films for tests: real ones of somebody who balances, and small ones made of any images."""

from __future__ import annotations

import zipfile
from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path

import pytest
from places import DATA

from m3n.errors import InputError
from m3n.video import decoding
from m3n.video.network_files import checked_folder


def unpacked(name: str, to: Path) -> Path:
    """One of the real films, put there; the test is skipped where it or the pose networks are missing."""
    try:
        checked_folder()
    except InputError as error:
        pytest.skip(str(error))
    if not (DATA / "videos.zip").exists():
        pytest.skip("M3N_DATA has no videos.zip")
    with zipfile.ZipFile(DATA / "videos.zip") as archive:
        to.write_bytes(archive.read(next(n for n in archive.namelist() if n.endswith(name))))
    return to


def written(file: Path, images: Iterable, fps: int, codec: str = "mpeg4") -> Path:
    """A film of images (height, width, 3)."""
    av = pytest.importorskip("av", reason="PyAV is not installed: pip install m3n[video]")
    with av.open(str(file), "w") as container:
        stream = None
        for number, image in enumerate(images):
            if stream is None:
                stream = container.add_stream(codec, rate=fps)
                stream.height, stream.width, stream.bit_rate = *image.shape[:2], 4_000_000
                stream.pix_fmt = {"gif": "rgb8", "mjpeg": "yuvj420p"}.get(codec, "yuv420p")
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, fps)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return file


def balancing(folder: Path, repeats: int = 1) -> Path:
    """A folder with a small film of somebody who balances, 1.6 s at 10 Hz, again and again, and `labels.csv` with a row for each
    half of it."""
    folder.mkdir(parents=True, exist_ok=True)
    large = unpacked("single_cam04.mp4", folder / "large.mp4")
    images = [frame.image[::3, ::3] for frame in decoding.frames(large, stop_s=1.59, max_fps=10)]
    large.unlink()
    written(folder / "film.mp4", images * repeats, 10)
    rows = [f"film.mp4,{k * 0.8:.1f},{(k + 1) * 0.8:.1f},balance{k}" for k in range(2 * repeats)]
    (folder / "labels.csv").write_text("\n".join(["file,start_s,stop_s,label", *rows]) + "\n")
    return folder
