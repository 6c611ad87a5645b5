"""The page of `m3n view` in a real browser: saved and served, it moves, seeks, searches, and keeps a stranger's words as words."""

from __future__ import annotations

import asyncio
import base64
import io
import shutil
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from places import REPOSITORY
from video_people import filmed

from m3n import schema
from m3n.commands.view.command import save, server
from m3n.config import ViewConfig
from m3n.io import tables

PROGRAM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(PROGRAM is None, reason="no Chromium here: apt-get install chromium"),
]
HOSTILE = "<img src=x onerror=\"document.body.textContent='hacked'\">"
READY = "typeof state === 'object' && state.clip"


@pytest.fixture
def clips(synthetic_clip, tmp_path: Path) -> Path:
    folder = tmp_path / "synthetic"
    folder.mkdir()
    segments = [
        {"start_s": 0.0, "stop_s": 2.0, "label": "up", "text": ""},
        {"start_s": 2.0, "stop_s": 4.0, "label": "down", "text": ""},
    ]
    rows = [synthetic_clip("c0", label="bend", segments=segments), synthetic_clip("c1", label=HOSTILE, text=HOSTILE)]
    tables.write_table(folder, rows, schema.synthetic_clips(("left_wrist", "right_wrist")), 10)
    return folder


def visit(monkeypatch: pytest.MonkeyPatch, url: str, look: Callable[[Any], Awaitable[None]]) -> None:
    """`look` at a page once it shows a clip; whatever the page threw fails the test."""
    monkeypatch.syspath_prepend(str(REPOSITORY / "tools"))
    import picture_dashboards as dashboards
    import picture_view

    async def go() -> None:
        async with dashboards.browser(str(PROGRAM), *picture_view.SOFTWARE) as page:
            collect = "window.thrown = []; addEventListener('error', (e) => thrown.push(e.message));"
            collect += "addEventListener('unhandledrejection', (e) => thrown.push(String(e.reason)));"
            await page.call("Page.addScriptToEvaluateOnNewDocument", source=collect)
            await page.open(url, READY)
            await look(page)
            assert await page.value("thrown") == []

    asyncio.run(go())


async def body_colours(page: Any) -> int:
    """Pixels of the scene that are neither sky nor floor: skin is warmer than they are."""
    box = await page.value("(() => { const b = $('scene').getBoundingClientRect(); return [b.x, b.y, b.width, b.height]; })()")
    clip = dict(zip(("x", "y", "width", "height"), box, strict=True), scale=1)
    shot = base64.b64decode((await page.call("Page.captureScreenshot", format="png", clip=clip))["data"])
    pixels = np.asarray(Image.open(io.BytesIO(shot)).convert("RGB")).astype(int)
    return int((pixels[..., 0] > pixels[..., 2] + 15).sum())


def test_a_saved_page_moves_without_a_server(clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "page.html"
    save(clips, None, file)

    async def look(page: Any) -> None:
        assert await page.value("document.querySelectorAll('#list li').length") == 2
        assert await body_colours(page) > 5_000
        assert await page.value("[...document.querySelectorAll('.band i')].map((e) => e.textContent)") == ["up", "down"]
        assert await page.value("document.querySelectorAll('.plot canvas').length") == 4
        await page.value("$('play').click()")
        await page.until("state.at > 0.2")
        await page.value("play(false)")
        await page.value("seek(1.5)")
        assert await page.value("$('clock').textContent") == "1.50 s / 4.00 s"
        assert await page.value("document.querySelector('.plot output').textContent")
        await page.value("press('look', 'bones')")
        assert await body_colours(page) < 5_000
        await page.value("choose(1)")
        assert await page.value("$('label').textContent") == HOSTILE
        assert await page.value("document.querySelectorAll('img').length") == 0
        await page.value("$('search').value = 'bend'; list()")
        assert await page.value("[...document.querySelectorAll('#list b')].map((e) => e.textContent)") == ["bend"]
        assert await page.value("performance.getEntriesByType('resource').length") == 0  # nothing was loaded

    visit(monkeypatch, file.as_uri(), look)


def test_the_video_moves_with_the_body(pose_clip, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    poses = filmed(tmp_path, pose_clip("video-walk", 61, label="walk"))
    file = tmp_path / "page.html"
    save(poses, None, file)
    (tmp_path / "walk.mp4").unlink()
    canvas = "document.querySelector('#film canvas')"
    grey = (
        f"{canvas}.getContext('2d').getImageData({canvas}.width * 0.9, {canvas}.height / 2, 1, 1).data[0]"  # beside the person
    )

    async def look(page: Any) -> None:
        assert await page.value("$('film').clientWidth") > 100
        seen = []
        for seconds in (0.0, 0.95, 1.9):
            await page.value(f"seek({seconds})")
            await page.until("panels[2].images[panels[2].number()].complete")
            seen.append(await page.value(grey))
        for level, seconds in zip(seen, (0.5, 1.4, 2.4), strict=True):  # of the video: the clip begins half a second into it
            assert abs(level - (10 + 5 * 20 * seconds)) < 8
        assert await page.value("panels[2].film.points.length") == 20
        assert await body_colours(page) > 2_000

    visit(monkeypatch, file.as_uri(), look)


def test_a_served_page_asks_for_one_clip_at_a_time(clips: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made, address, _ = server(clips, None, ViewConfig(port=0))
    thread = threading.Thread(target=made.serve_forever)
    thread.start()

    async def look(page: Any) -> None:
        asked = "performance.getEntriesByType('resource').map((e) => new URL(e.name).pathname)"
        assert await page.value(asked) == ["/clip/0"]
        await page.value("choose(1)")
        assert await page.value(asked) == ["/clip/0", "/clip/1"]
        assert await page.value("location.hash") == "#1"
        (clips / "part-00000.parquet").unlink()
        await page.value("choose(0)")
        await page.until("!$('trouble').hidden")
        assert "part-00000.parquet" in await page.value("$('trouble').textContent")

    try:
        visit(monkeypatch, address, look)
    finally:
        made.shutdown()
        thread.join()
        made.server_close()
