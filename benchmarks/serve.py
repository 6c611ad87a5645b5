"""How long a client of `m3n serve` waits, by the number of clients that ask at once.

    m3n bench serve --record

A classifier of the default size with random weights, in a process of its own on loopback. Each client keeps one connection and asks
for one window (2 s of one wrist at 60 Hz, as JSON) at a time, again as soon as it has its answer. Predictions take turns, so with
more clients each one waits longer while the requests answered per second stay the same.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse
import http.client
import json
import socket
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path

import numpy as np

from m3n.config import ModelConfig, WindowsConfig
from m3n.data.windows import Normaliser
from m3n.export.samples import example_samples
from m3n.models import make_classifier
from m3n.training.checkpoint import save
from m3n.training.classifier import classifier_checkpoint

PLACEMENTS, SHAPE, CLASSES = ("left_wrist", "right_wrist"), WindowsConfig(), [f"activity {n}" for n in range(10)]
CLIENTS = (1, 10, 100)


def make_folder(folder: Path) -> Path:
    """A classifier as `m3n finetune` leaves it."""
    architecture = ModelConfig()
    net = make_classifier(PLACEMENTS, len(CLASSES), "linear", architecture.model_dump()).eval()
    net.imu.in_units_of(6.7, 1.2, SHAPE.rate_hz)
    folder.mkdir()
    save(folder, classifier_checkpoint(net, CLASSES, "linear", Normaliser(6.7, 1.2), architecture, SHAPE))
    return folder


def waits_ms(port: int, clients: int, requests: int) -> np.ndarray:
    """What each request took, of `clients` that ask at once, `requests` in all."""
    samples = example_samples(["right_wrist"], SHAPE.rate_hz, SHAPE.window_s).round(4).to_dict("list")
    body, found = json.dumps({"samples": samples}), []

    def ask(times: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=300)
        for _ in range(times):
            started = time.perf_counter()
            connection.request("POST", "/predict", body)
            answer = connection.getresponse()
            answer.read()
            found.append(1000 * (time.perf_counter() - started))
            assert answer.status == 200

    threads = [threading.Thread(target=ask, args=(max(1, requests // clients),)) for _ in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return np.array(found)


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--requests", type=int, default=1000, help="requests for each number of clients")


def run(options: argparse.Namespace) -> dict[str, float]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    figures: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        classifier = make_folder(Path(folder) / "classifier")
        command = [sys.executable, "-m", "m3n", "serve", str(classifier), "--port", str(port)]
        server = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        try:
            while server.poll() is None:
                with suppress(OSError):
                    socket.create_connection(("127.0.0.1", port)).close()
                    break
                time.sleep(0.1)
            waits_ms(port, 1, 20)
            for clients in CLIENTS:
                started = time.perf_counter()
                waits = waits_ms(port, clients, options.requests)
                figures[f"requests_per_s_{clients}_clients"] = len(waits) / (time.perf_counter() - started)
                for share in (50, 99):
                    figures[f"wait_ms_p{share}_{clients}_clients"] = float(np.percentile(waits, share))
        finally:
            server.terminate()
            server.wait()
    return figures
