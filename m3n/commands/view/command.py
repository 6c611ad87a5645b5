"""`m3n view`: a page that shows bodies, sensors and samples moving together, served on loopback or saved as one file."""

from __future__ import annotations

from dataclasses import replace
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any

from m3n.commands.view.pairs import Beside
from m3n.commands.view.places import Listed, open_place
from m3n.config import ViewConfig
from m3n.io import tables
from m3n.io.storage import Location
from m3n.progress import bar
from m3n.reports.view.page import page
from m3n.reports.view.server import LOOPBACK, serve

LISTED, SAVED, PARTNERS = 5_000, 12, 1_000_000
_OF_BASE64 = 0.75  # bytes in a character


def open_pages(place: Location, beside: Location | None, config: ViewConfig, most: int) -> Listed:
    """What is at `place`, with what is beside it; InputError for what cannot be looked at."""
    if beside is None:
        return open_place(place, config, config.most or most)
    other = open_place(beside, config.model_copy(update={"id": None, "label": None, "subject": None}), PARTNERS)
    return Beside(open_place(place, config, config.most or most), other)


def save(place: Location, beside: Location | None, file: Path, config: ViewConfig = ViewConfig()) -> dict[str, Any]:
    """Write one page that needs neither a server nor a network; returns the figures.

    Raises InputError for what cannot be looked at, and for a damaged row; then nothing is written.
    """
    opened = open_pages(place, beside, config, SAVED)
    clips = {}
    with bar("view", len(opened.entries)) as advance:
        for number in range(len(opened.entries)):
            clip = opened.clip(number)
            if clip.film:
                share = _OF_BASE64 * 1e6 * config.film_mb / len(opened.entries)
                clip = replace(clip, film=opened.film(number, share) if config.film_mb else False)
            clips[number] = clip
            advance(1, opened.entries[number].name)
    text = page(opened.title, opened.entries, opened.notice, clips, any(clip.motion for clip in clips.values()))
    file.parent.mkdir(parents=True, exist_ok=True)
    tables.write_text(file, text)
    return {"clips": len(clips), "seconds": sum(clip.seconds for clip in clips.values()), "megabytes": len(text) / 1e6}


def server(place: Location, beside: Location | None, config: ViewConfig = ViewConfig()) -> tuple[ThreadingHTTPServer, str, int]:
    """A server of the page, not running yet; its address, and how many entries it lists.

    Raises InputError for what cannot be looked at, and for a port in use.
    """

    def reopen() -> Listed:
        return open_pages(place, beside, config, LISTED)

    opened = reopen()
    made = serve(opened, reopen, config.port)
    return made, f"http://{LOOPBACK}:{made.server_port}", len(opened.entries)
