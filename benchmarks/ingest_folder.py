"""How fast `m3n ingest amass` reads a folder of files with one worker and with two, and how much memory it needs.

    m3n bench ingest_folder --amass amass_sample.npz --record

Copies of one file, each command in a process of its own. The start of the command and of Ray costs the same for any number of
files, so files/s are those of the files by which a large folder exceeds a small one. Memory: the peak of the command itself.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

# seconds from start to end and the peak resident set in MB of one command, in a process that does nothing else
COMMAND = """
import json, resource, sys, time
started = time.perf_counter()
from m3n.cli import main
status = main(sys.argv[1:])
print(json.dumps([status, time.perf_counter() - started, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024]))
"""


def ingested(sample: Path, files: int, workers: int, folder: Path) -> tuple[float, float]:
    """(s, peak MB) of the ingest of so many copies."""
    copies = folder / f"copies-{files}"
    if not copies.exists():
        copies.mkdir()
        for number in range(files):
            shutil.copyfile(sample, copies / f"{number:05d}.npz")
    command = ["ingest", "amass", str(copies), "--out", str(folder / f"out-{files}-{workers}"), f"workers={workers}"]
    done = subprocess.run([sys.executable, "-c", COMMAND, *command], capture_output=True, text=True, check=True)
    status, seconds, peak = json.loads(done.stdout.splitlines()[-1])
    if status:
        raise SystemExit(done.stderr)
    return seconds, peak


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--amass", type=Path, required=True, help="an AMASS file, which is copied")
    parser.add_argument("--files", type=int, default=400, help="files in the large folder; the small one has a quarter")
    parser.add_argument("--workers", type=int, nargs="*", default=[1, 2], help="numbers of workers")


def run(options: argparse.Namespace) -> dict[str, float]:
    figures: dict[str, float] = {}
    rates: list[float] = []
    few = options.files // 4
    with tempfile.TemporaryDirectory() as held:
        folder = Path(held)
        for workers in options.workers:
            short, small = ingested(options.amass, few, workers, folder)
            long, large = ingested(options.amass, options.files, workers, folder)
            named = f"{workers}_worker" + ("s" if workers > 1 else "")
            rates.append((options.files - few) / (long - short))
            figures[f"files_per_s_{named}"] = rates[-1]
            figures[f"seconds_{named}"] = long
            figures[f"peak_mb_{few}_files_{named}"], figures[f"peak_mb_{options.files}_files_{named}"] = small, large
        tables = {workers: folder / f"out-{options.files}-{workers}" / "poses" for workers in options.workers}
        held_bytes = [{file.name: file.read_bytes() for file in sorted(table.iterdir())} for table in tables.values()]
        if any(one != held_bytes[0] for one in held_bytes):
            raise SystemExit("the tables differ with the number of workers")
    return figures | {"speedup": rates[-1] / rates[0]}
