"""Pictures of MLflow's pages as a newcomer meets them, by a real headless browser.

    python tools/picture_dashboards.py --store sqlite:///mlflow.db --out docs/images

For the newest sweep in the store (or `--sweep NAME`): the experiment's page, the trials in parallel coordinates as the link in the
sweep's description shows them, MLflow's own compare view of the same trials, and the page of the best trial. A server is started on
loopback for it, or `--url` names one that runs. Chromium (`apt-get install chromium`) is driven through its DevTools protocol, for
which aiohttp, which Ray brings, is enough.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import io
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

import aiohttp
from PIL import Image

WIDTH, HEIGHT, COLOURS = 1600, 940, 96
PATIENCE_S, SETTLED_S = 240.0, 3.0
OBJECTIVE = "val/macro_f1"
# what MLflow's pages remember of a visitor: trainings rather than language models, and no chat beside them
REMEMBERED = {
    "mlflow.workflowType_v1": '"machine_learning"',
    "mlflow.assistant.panelOpen_v1": "false",
    "mlflow.assistant.fab.autoOpenedOnFirstLoad_v1": "true",
}


@contextmanager
def mlflow_server(store: str) -> Iterator[str]:
    """An MLflow server on a free port of loopback."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    environment = os.environ | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    with tempfile.TemporaryFile() as log:
        server = subprocess.Popen([*command, "--backend-store-uri", store], env=environment, stdout=log, stderr=log)
        try:
            url = f"http://127.0.0.1:{port}"
            until = time.monotonic() + PATIENCE_S
            while time.monotonic() < until:
                with suppress(OSError), urllib.request.urlopen(f"{url}/health", timeout=5):
                    break
                time.sleep(0.5)
            yield url
        finally:
            server.terminate()
            server.wait()


class Page:
    """One tab of the browser, and how many colours its pictures have."""

    colours = COLOURS

    def __init__(self, socket_: aiohttp.ClientWebSocketResponse) -> None:
        self.socket, self.number = socket_, 0

    async def call(self, method: str, **params: Any) -> dict[str, Any]:
        """Send a command of the DevTools protocol; its result."""
        self.number += 1
        await self.socket.send_json({"id": self.number, "method": method, "params": params})
        async for message in self.socket:
            answer = json.loads(message.data)
            if answer.get("id") == self.number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']['message']}")
                return dict(answer["result"])
        raise RuntimeError("the browser has gone")

    async def value(self, script: str) -> Any:
        """What a piece of JavaScript evaluates to."""
        found = await self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        return found["result"].get("value")

    async def open(self, url: str, shown: str) -> None:
        """Go to a page and wait until the script `shown` is true there, and drawing has settled."""
        await self.call("Page.navigate", url="about:blank")
        await self.call("Page.navigate", url=url)
        await self.until(shown)

    async def until(self, shown: str) -> None:
        until = time.monotonic() + PATIENCE_S
        while not await self.value(f"Boolean({shown})"):
            if time.monotonic() > until:
                text = await self.value("document.body.innerText.slice(0, 500)")
                print(f"waited in vain for {shown}; the page says: {text}", file=sys.stderr)
                return
            await asyncio.sleep(0.5)
        await asyncio.sleep(SETTLED_S)

    async def picture(self, file: Path, height: int = HEIGHT) -> None:
        """Write what is seen, in few colours: small, and sharp enough to read."""
        await self.call("Emulation.setDeviceMetricsOverride", width=WIDTH, height=height, deviceScaleFactor=1, mobile=False)
        await asyncio.sleep(SETTLED_S)
        shot = base64.b64decode((await self.call("Page.captureScreenshot", format="png"))["data"])
        image = Image.open(io.BytesIO(shot)).convert("RGB").quantize(self.colours, dither=Image.Dither.NONE)
        image.save(file, optimize=True)
        print(f"{file}: {file.stat().st_size / 1000:.0f} kB")


@asynccontextmanager
async def browser(program: str, *more: str) -> AsyncIterator[Page]:
    """A headless Chromium with one tab; `more`: options of its command line."""
    with tempfile.TemporaryDirectory(prefix="m3n-browser-") as profile:
        options = ["--headless=new", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars", "--no-first-run"]
        options += ["--no-sandbox"] if os.geteuid() == 0 else []
        options += [*more, f"--window-size={WIDTH},{HEIGHT}", "--remote-debugging-port=0", f"--user-data-dir={profile}"]
        quiet = subprocess.DEVNULL
        process = subprocess.Popen([program, *options, "about:blank"], stdout=quiet, stderr=quiet)
        try:
            port_file = Path(profile) / "DevToolsActivePort"
            until = time.monotonic() + PATIENCE_S
            while not port_file.is_file() and time.monotonic() < until:
                await asyncio.sleep(0.2)
            port = port_file.read_text().splitlines()[0]
            async with aiohttp.ClientSession() as session:
                async with session.get(f"http://127.0.0.1:{port}/json/list") as answer:
                    tab = next(t for t in await answer.json() if t["type"] == "page")
                async with session.ws_connect(tab["webSocketDebuggerUrl"], max_msg_size=0) as connection:
                    page = Page(connection)
                    await page.call("Page.enable")
                    remember = "".join(f"localStorage.setItem({key!r}, {value!r});" for key, value in REMEMBERED.items())
                    await page.call("Page.addScriptToEvaluateOnNewDocument", source=f"try {{ {remember} }} catch (_) {{}}")
                    await page.call(
                        "Emulation.setDeviceMetricsOverride", width=WIDTH, height=HEIGHT, deviceScaleFactor=1, mobile=False
                    )
                    yield page
        finally:
            process.terminate()
            process.wait()
            time.sleep(0.5)  # its children still write to the profile


def says(text: str) -> str:
    """JavaScript: whether the page shows a text."""
    return f"document.body.innerText.includes({json.dumps(text)})"


def newest_sweep(url: str, name: str | None) -> tuple[Any, list[Any]]:
    """The parent run of a sweep and its trials, the best first."""
    from mlflow import MlflowClient

    client = MlflowClient(url)
    experiment = client.get_experiment_by_name("m3n-tune")
    if experiment is None:
        raise SystemExit("no experiment m3n-tune in this store: run a sweep first (m3n tune)")
    wanted = f"attributes.run_name = '{name}'" if name else ""
    for sweep in client.search_runs([experiment.experiment_id], wanted, order_by=["attributes.start_time DESC"]):
        wanted = f"tags.`mlflow.parentRunId` = '{sweep.info.run_id}' and attributes.run_name LIKE 'trial%'"
        trials = client.search_runs([experiment.experiment_id], wanted, order_by=[f"metrics.`{OBJECTIVE}` DESC"])
        if trials:
            return sweep, list(trials)
    raise SystemExit(f"no sweep{f' called {name}' if name else ''} with trials in this store")


async def take(url: str, sweep: Any, trials: list[Any], out: Path, program: str) -> None:
    """All the pictures."""
    experiment, best = sweep.info.experiment_id, trials[0]
    key = f"m3n-{sweep.info.run_id[:12]}"
    address = f"{url}/#/experiments/{experiment}/runs"
    async with browser(program) as page:
        shared = f"{address}?viewStateShareKey={key}&workflowType=machine_learning&compareRunsMode"
        await page.open(f"{shared}=CHART", "document.querySelector('main canvas, .parcoords')")
        await page.picture(out / "mlflow_parallel.png")
        await page.open(f"{shared}=TABLE", says(best.info.run_name))
        await page.picture(out / "mlflow_experiment.png")
        ids, experiments = (quote(json.dumps(x)) for x in ([t.info.run_id for t in trials], [experiment]))
        await page.open(
            f"{url}/#/compare-runs?runs={ids}&experiments={experiments}", "document.querySelector('.js-plotly-plot')"
        )
        await page.picture(out / "mlflow_compare.png", 1250)
        await page.open(f"{address}/{best.info.run_id}", says(OBJECTIVE))
        await page.picture(out / "mlflow_run.png", 1250)
        await page.open(f"{address}/{sweep.info.run_id}", says("Description"))
        await page.picture(out / "mlflow_sweep.png", 1250)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--store", default="sqlite:///mlflow.db", help="MLflow's database (default: %(default)s)")
    parser.add_argument("--url", help="a server that runs, in place of --store")
    parser.add_argument("--sweep", help="name of the sweep's run (default: the newest)")
    parser.add_argument("--out", type=Path, default=Path("docs/images"), help="folder for the pictures (default: %(default)s)")
    options = parser.parse_args(arguments)
    program = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if program is None:
        raise SystemExit("no Chromium here: apt-get install chromium")
    options.out.mkdir(parents=True, exist_ok=True)
    with nullcontext(options.url) if options.url else mlflow_server(options.store) as url:
        sweep, trials = newest_sweep(url, options.sweep)
        asyncio.run(take(url, sweep, trials, options.out, program))


if __name__ == "__main__":
    main()
