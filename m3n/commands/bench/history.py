"""The history of measured figures: one dated JSON file per run, with an index and a picture per benchmark made from all of them.

A figure means little without the machine, the load on it, the versions and the commit, so each run keeps them. Only the
standard library is needed to keep a run; where matplotlib is missing, as on a bare GPU machine, the next recording elsewhere
draws the picture.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib import metadata
from itertools import islice
from pathlib import Path
from typing import Any

from m3n import packaged
from m3n.errors import InputError

PACKAGES = ("m3n", "numpy", "scipy", "numba", "torch", "pyarrow", "ray", "mlflow", "smplx")
SHOWN_RUNS = 4  # columns of a benchmark's table in the index
DRAWN = 24  # figures in a picture at most, the first of a run


@dataclass(frozen=True)
class Record:
    """One run of a benchmark, as its JSON file has it."""

    benchmark: str
    command: str
    figures: Mapping[str, float]
    date: str  # UTC, when the run began
    commit: str  # of the code, "" outside a git checkout
    uncommitted_changes: bool
    machine: Mapping[str, Any]  # cpu, cores, memory_gb, gpu
    load_average: float  # over the minute before the run: what else the machine was doing
    versions: Mapping[str, str]

    @property
    def day(self) -> str:
        return self.date[:10]

    @property
    def machine_name(self) -> str:
        gpu = f", {self.machine['gpu']}" if self.machine.get("gpu") else ""
        return f"{self.machine['cores']} cores of {self.machine['cpu']}{gpu}"

    @property
    def commit_name(self) -> str:
        return (self.commit[:7] or "unknown") + ("+" if self.uncommitted_changes else "")


def circumstances() -> dict[str, Any]:
    """Date, commit, machine and versions of a run that begins now, by the names of `Record`."""
    commit = _git("rev-parse", "HEAD")
    changes = _git("status", "--porcelain", "--", ".", ":!benchmarks/results") if commit else ""
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "commit": commit,
        "uncommitted_changes": bool(changes),
        "machine": machine(),
        "versions": {"python": platform.python_version(), **_versions()},
    }


def load_average() -> float:
    """Processes that wanted a core, on average over the last minute."""
    return round(os.getloadavg()[0], 2)


def machine() -> dict[str, Any]:
    """CPU, cores this process may use, memory [GB], and the GPU's name or None."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text(encoding="utf-8").splitlines() if cpuinfo.exists() else []
    model = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.processor())
    torch = sys.modules.get("torch")  # a benchmark that uses the GPU has imported it
    return {
        "cpu": model or platform.machine(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1),
        "gpu": torch.cuda.get_device_name() if torch is not None and torch.cuda.is_available() else None,
    }


def write(folder: Path, record: Record) -> Path:
    """Keep a run; returns its file."""
    stamp = record.date.replace(":", "").replace("-", "").replace("T", "-").removesuffix("Z")
    file = folder / f"{record.benchmark}-{stamp}.json"
    file.write_text(json.dumps(asdict(record), indent=2) + "\n", encoding="utf-8")
    return file


def read(folder: Path) -> dict[str, list[Record]]:
    """Benchmark -> its runs, oldest first. Raises InputError for a file that is not a run."""
    found: dict[str, list[Record]] = {}
    for file in folder.glob("*.json"):
        try:
            record = Record(**json.loads(file.read_text(encoding="utf-8")))
        except (ValueError, TypeError) as error:
            raise InputError(f"{file} is not a run recorded by `m3n bench`: {error}; remove it") from None
        found.setdefault(record.benchmark, []).append(record)
    return {name: sorted(found[name], key=lambda record: record.date) for name in sorted(found)}


def write_index(folder: Path, summaries: Mapping[str, str]) -> None:
    """Make README.md and NAME.png anew from the runs of a folder; `summaries`: benchmark -> what it measures."""
    runs = read(folder)
    newest_first = sorted((record for records in runs.values() for record in records), key=lambda r: r.date, reverse=True)
    lines = [
        "# Measured figures",
        "",
        "One file per run, written by `m3n bench NAME --record`, which also makes this page and its pictures. A `+` behind a",
        "commit means uncommitted changes; the load is the average number of busy processes in the minute before the run.",
        "",
        *_table(
            ("benchmark", "date", "commit", "machine", "load", "command"),
            [
                (r.benchmark, r.day, r.commit_name, r.machine_name, f"{r.load_average:.1f}", f"`{r.command}`")
                for r in newest_first
            ],
        ),
    ]
    for name, records in runs.items():
        lines += ["", f"## {name}", "", summaries.get(name, ""), "", *_figures(records)]
        with suppress(ImportError):  # a bare machine
            from m3n.reports.history_plot import history_plot

            history_plot(folder / f"{name}.png", name, dict(islice(_series(records).items(), DRAWN)))
        if (folder / f"{name}.png").exists():
            lines += ["", f"![{name} over time]({name}.png)"]
    (folder / "README.md").write_text("\n".join(lines) + "\n", encoding="utf-8")


def _figures(records: Sequence[Record]) -> list[str]:
    """A row per figure, a column for each of the last runs, newest first."""
    shown = list(reversed(records))[:SHOWN_RUNS]
    names = list(dict.fromkeys(name for record in shown for name in record.figures))
    rows = [
        (f"`{name}`", *(_number(record.figures[name]) if name in record.figures else "" for record in shown)) for name in names
    ]
    return _table(("figure", *(f"{record.day} {record.commit_name}" for record in shown)), rows)


def _series(records: Sequence[Record]) -> dict[str, dict[str, list[tuple[datetime, float]]]]:
    """Figure -> machine -> (time, value) of every run."""
    found: dict[str, dict[str, list[tuple[datetime, float]]]] = {}
    for record in records:
        for name, value in record.figures.items():
            found.setdefault(name, {}).setdefault(record.machine_name, []).append((datetime.fromisoformat(record.date), value))
    return found


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    return [f"| {' | '.join(row)} |" for row in (header, ["---"] * len(header), *rows)]


def _versions() -> dict[str, str]:
    found = {}
    for package in PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found


def _git(*arguments: str) -> str:
    """What git says about the checkout, or an empty string outside a checkout."""
    if not packaged.is_checkout():
        return ""
    try:
        done = subprocess.run(
            ["git", *arguments], cwd=packaged.PACKAGE.parent, capture_output=True, text=True, timeout=10, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
