"""How fast `m3n ingest recordings` reads a CSV on one core, and how much memory a day of samples needs.

    m3n bench ingest_recordings --record

Speed: rows of a file with time, six channels and a label, through `chunks`, both readings of the file included. Memory: the peak of
the resident set while a file of so many hours at 100 Hz is streamed, each in a process of its own.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

RATE_HZ = 100.0
_ROWS = 200_000  # written at a time


def write(file: Path, rows: int, *, label: bool) -> None:
    """A sensor that swings about its y axis at the end of a forearm, with noise, in m/s² and rad/s."""
    rng = np.random.default_rng(0)
    with file.open("w") as sheet:
        sheet.write("time,ax,ay,az,gx,gy,gz" + (",label" if label else "") + "\n")
        for start in range(0, rows, _ROWS):
            clock = np.arange(start, min(start + _ROWS, rows)) / RATE_HZ
            angle, speed = np.sin(2.5 * clock), 2.5 * np.cos(2.5 * clock)
            still = np.zeros_like(clock)
            force = [
                -9.80665 * np.sin(angle) - 0.28 * speed**2,
                still,
                9.80665 * np.cos(angle) + 0.28 * 6.25 * np.sin(2.5 * clock),
            ]
            table = np.stack([*force, still, speed, still], axis=1) + 0.05 * rng.normal(size=(len(clock), 6))
            for moment, values in zip(clock.tolist(), table.tolist(), strict=True):
                sheet.write(f"{moment:.3f}," + ",".join(f"{value:.4f}" for value in values))
                sheet.write((",walk" if int(moment) // 60 % 2 else ",rest") + "\n" if label else "\n")


# samples, seconds of processor time and the peak resident set in MB of one file, in a process that does nothing else
STREAM = """
import json, resource, sys, time
from pathlib import Path
from m3n.sources.recordings.table import Options, chunks
started, samples = time.process_time(), 0
for chunk in chunks(Path(sys.argv[1]), Options(acc_unit="m/s2", gyro_unit="rad/s", subject="anna")):
    samples += len(chunk.samples["right_wrist"])
print(json.dumps([samples, time.process_time() - started, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024]))
"""


def streamed(file: Path) -> tuple[float, float]:
    """(rows/s of one core, peak MB) of reading a file."""
    done = subprocess.run([sys.executable, "-c", STREAM, str(file)], capture_output=True, text=True, check=True)
    samples, seconds, peak = json.loads(done.stdout)
    return samples / seconds, peak


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--rows", type=int, default=1_000_000, help="rows of the file that the speed is measured on")
    parser.add_argument("--hours", type=float, nargs="*", default=[1.0, 24.0], help="lengths of the files for the memory")


def run(options: argparse.Namespace) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "watch.csv"
        write(file, options.rows, label=True)
        figures = {"rows_per_s": streamed(file)[0]}
        for hours in options.hours:
            write(file, round(3600 * hours * RATE_HZ), label=False)
            figures[f"peak_mb_{hours:g}_h"] = streamed(file)[1]
    return figures
