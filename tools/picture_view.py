"""A picture of the page of `m3n view`, by a real headless browser.

    m3n view data/moves/synthetic --save page.html
    python tools/picture_view.py page.html --at 1.6 --out docs/images/view.png      # needs: apt-get install chromium

The body is drawn by Chromium's software renderer, so no graphics card is needed.
"""

from __future__ import annotations

import argparse
import asyncio
import shutil
from pathlib import Path

import picture_dashboards as dashboards

SOFTWARE = ("--use-angle=swiftshader", "--enable-unsafe-swiftshader")


async def take(program: str, url: str, script: str, out: Path, size: tuple[int, int]) -> None:
    """The page after a piece of JavaScript has run in it."""
    dashboards.WIDTH, dashboards.SETTLED_S = size[0], 0.5
    async with dashboards.browser(program, *SOFTWARE) as page:
        page.colours = 256
        await page.open(url, "typeof state === 'object' && state.clip")
        await page.call("Emulation.setDeviceMetricsOverride", width=size[0], height=size[1], deviceScaleFactor=1, mobile=False)
        await page.value(script)
        await page.picture(out, size[1])


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("page", help="file made by `m3n view --save`, or the address of a running `m3n view`")
    parser.add_argument("--number", type=int, default=0, help="which entry of the list (default: %(default)s)")
    parser.add_argument("--at", type=float, default=1.0, help="seconds into the clip (default: %(default)s)")
    parser.add_argument("--script", default="", help="JavaScript to run as well")
    parser.add_argument("--size", type=int, nargs=2, default=(1440, 860), metavar=("WIDTH", "HEIGHT"))
    parser.add_argument(
        "--out", type=Path, default=Path("docs/images/view.png"), help="picture to write (default: %(default)s)"
    )
    options = parser.parse_args(arguments)
    program = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if program is None:
        raise SystemExit("no Chromium here: apt-get install chromium")
    url = options.page if "://" in options.page else Path(options.page).resolve().as_uri()
    script = f"choose({options.number}).then(() => {{ seek({options.at}); {options.script} }})"
    asyncio.run(take(program, url, script, options.out, tuple(options.size)))


if __name__ == "__main__":
    main()
