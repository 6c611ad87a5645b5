"""Puts the page of `m3n view` together: one HTML file with its style, scripts and data inside.

Names and sentences come from strangers' tables. They reach the page inside one JSON element, in which no `<` is left that could
end it, and the scripts write them as text, never as HTML. The page's own policy forbids it to load or send anything, but for the
clips of the server that it came from.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from m3n.reports.view.clip import Clip, Entry, plain_body, plain_clip, plain_entry

SCRIPTS = ("scene.js", "film.js", "traces.js", "page.js")
_HERE = Path(__file__).parent


def page(
    title: str,
    entries: Sequence[Entry],
    notice: str = "",
    clips: Mapping[int, Clip] | None = None,
    body: bool = True,
) -> str:
    """The page as text.

    `clips`: the data of the entries of these numbers, for a page that is saved; None for one that asks its server. `notice`: a line
    above the list. `body`: whether any clip may have motion, which needs half a megabyte of triangles and bones.
    """
    data = {
        "title": title,
        "notice": notice,
        "entries": [plain_entry(entry) for entry in entries],
        "clips": None if clips is None else {str(n): plain_clip(clip) for n, clip in clips.items()},
        "body": plain_body() if body else None,
    }
    parts = {
        "title": html.escape(title),
        "connect": "'self'" if clips is None else "'none'",
        "style": _read("page.css"),
        "script": "\n".join(_read(name) for name in SCRIPTS),
        "data": as_json(data),
    }
    return re.sub(r"\[\[(\w+)\]\]", lambda gap: parts[gap[1]], _read("page.html"))


def as_json(value: Any) -> str:
    """JSON that can stand inside a script element: `<`, `>` and `&` are escaped."""
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _read(name: str) -> str:
    return (_HERE / name).read_text(encoding="utf-8")
