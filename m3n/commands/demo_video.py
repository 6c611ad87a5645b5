"""`m3n demo video`: films to poses, virtual IMUs and a page to look at, through the same commands that a user would type."""

from __future__ import annotations

import json
import shutil
import time
import zipfile
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import Any

from m3n.errors import InputError
from m3n.io import storage
from m3n.untrusted.archives import LARGEST, member
from m3n.video.decoding import SUFFIXES
from m3n.video.network_files import checked_folder

MAX_FPS, RATE_HZ = 30, 50


def demo_video(data: Path, out: Path, run_command: Callable[[list[str]], Any], echo: Callable[[str], Any]) -> dict[str, Any]:
    """Run the demo on a zip of videos, a folder of them or one video; `run_command` takes the arguments of one m3n command.

    A file `labels.csv` in the folder says what they show. Returns the figures. Raises InputError for `data` without a video, and
    where the networks are missing.
    """
    started = time.perf_counter()
    checked_folder()
    if not data.exists():
        raise InputError(f"--data {data} does not exist: expected a zip of videos, a folder of them, or a video")
    films = _unpacked(data, out / "videos") if data.suffix.lower() == ".zip" else data
    filmed, synthetic, page = out / "filmed", out / "synthetic", out / "page.html"
    labels = films / "labels.csv" if films.is_dir() else films
    named = [f"labels={labels}"] if labels.name == "labels.csv" and labels.is_file() else []
    run_command(["ingest", "video", str(films), "--out", str(filmed), f"max_fps={MAX_FPS}", "workers=1", *named])
    run_command(["simulate", str(filmed / "poses"), "--out", str(synthetic), f"rate_hz={RATE_HZ}", "workers=1"])
    run_command(["report", "video", str(filmed), "--out", str(out / "report")])
    run_command(["view", str(synthetic), "--save", str(page)])
    clips = json.loads((filmed / "poses" / "manifest.json").read_text(encoding="utf-8"))
    echo(
        f"\nOpen {page} in a browser: bodies, sensors and samples. {out}/report/film.md: what was seen, and what was left out."
    )
    return {"clips": clips["rows"], "seconds": clips["seconds"], "elapsed_s": time.perf_counter() - started}


def _unpacked(archive: Path, folder: Path) -> Path:
    """The videos of a zip, and its labels.csv, by their last names alone; what was there before is replaced."""
    try:
        opened = zipfile.ZipFile(archive)
    except (zipfile.BadZipFile, OSError) as error:
        raise InputError(f"--data {archive}: cannot be read as a zip ({error}); is the download complete?") from None
    shutil.rmtree(folder, ignore_errors=True)
    with opened, storage.writing(folder):
        folder.mkdir(parents=True)
        for info in opened.infolist():
            name = PurePosixPath(info.filename).name
            if not name.startswith(".") and (PurePosixPath(name).suffix.lower() in SUFFIXES or name == "labels.csv"):
                if (folder / name).exists():
                    raise InputError(f"--data {archive}: holds two files called {name}; unpack it, and give the folder")
                storage.write(folder / name, member(opened, info, f"{archive.name}, {info.filename}", LARGEST))
    return folder
