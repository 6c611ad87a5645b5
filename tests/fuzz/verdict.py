"""Runs damaged inputs through `m3n ingest` and judges what comes back: one clear line, or clips that are valid and finite.

Inputs run in forked children with a limit on memory and on the time for each, so that a crash, a hang or a bomb costs one
child and is counted as what it is.
"""

from __future__ import annotations

import os
import re
import resource
import select
import shutil
import signal
import tempfile
import time
import traceback
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from fuzz.damaged_films import write_damaged_film
from fuzz.hostile import SETTING_VALUES
from fuzz.mutations import blind, damaged_settings, pick, write_damaged
from fuzz.originals import ORIGINALS

from m3n import config, schema
from m3n.commands.ingest import ingest, options_of
from m3n.commands.simulate.command import motion_low_pass
from m3n.errors import InputError
from m3n.imu.simulate import simulate_clip
from m3n.io import tables

CPU_SECONDS, SECONDS = 5.0, 60.0  # for one input: of work, and on the clock of a machine that does other work too
MEMORY = 3 << 30  # bytes that an input may need on top of the interpreter
LONGEST_MESSAGE = 1000
# what Python and NumPy say when nobody caught it, without a word about what is wrong with the file
_VAGUE = re.compile(
    r"Traceback|File \"|list index out of range|index \d+ is out of bounds|buffer is smaller|could not broadcast|unhashable type|"
    r"'NoneType'|object is not|object has no attribute|not supported between|positional argument|Unable to allocate|MemoryError|"
    r"cannot reshape|inhomogeneous|maximum recursion|0x[0-9a-f]{6,}"
)


@dataclass(frozen=True)
class Verdict:
    """What became of one input: `outcome` is "clip", "error" or what went wrong; `detail` the message."""

    index: int
    outcome: str
    detail: str

    @property
    def failed(self) -> bool:
        return self.outcome not in ("clip", "error")


def _compile(source: str) -> None:
    """Read a source's valid input once in this process, so that no child's time goes into compiling."""
    with tempfile.TemporaryDirectory() as folder:
        place, path, settings = Path(folder), None, ["clips=2"]
        if source in ORIGINALS:
            original = ORIGINALS[source]
            path, settings = place / original.name, original.settings
            original.write(path, original.tree())
        outcome, detail = _judge(source, path, settings, None, place / "out")
        assert outcome == "clip", f"the valid input of {source}: {outcome} {detail}"


def judged(source: str, indices: range, seed: int = 0, batch: int = 50) -> Iterator[Verdict]:
    """Verdicts on the inputs of a source with these numbers, in order."""
    _compile(source)
    todo = list(indices)
    while todo:
        for verdict in _batch(source, todo[:batch], seed):
            yield verdict
            todo.remove(verdict.index)


def _batch(source: str, indices: list[int], seed: int) -> Iterator[Verdict]:
    """Verdicts of one child; where it dies or hangs, the last one says so and the rest is left for the next child."""
    incoming, outgoing = os.pipe()
    child = os.fork()
    if child == 0:
        _run_child(incoming, outgoing, source, indices, seed)
    os.close(outgoing)
    held = b""
    try:
        for index in indices:
            deadline, work = time.monotonic() + SECONDS, _cpu_seconds(child) + CPU_SECONDS
            while b"\x00" not in held:
                if not select.select([incoming], [], [], 0.5)[0]:
                    if time.monotonic() > deadline or _cpu_seconds(child) > work:
                        yield Verdict(index, "hang", f"over {CPU_SECONDS} s")
                        return
                    continue
                received = os.read(incoming, 1 << 16)
                if not received:
                    _, status = os.waitpid(child, 0)
                    child = 0
                    yield Verdict(index, "crash", f"the process died with status {status}")
                    return
                held += received
            line, _, held = held.partition(b"\x00")
            outcome, _, detail = line.decode("utf-8", "replace").partition("\x01")
            yield Verdict(index, outcome, detail)
    finally:
        os.close(incoming)
        if child:
            with suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)


def _cpu_seconds(process: int) -> float:
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _run_child(incoming: int, outgoing: int, source: str, indices: list[int], seed: int) -> None:
    os.close(incoming)
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 1)
    os.dup2(nothing, 2)  # warnings of libraries
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY, used + MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    for index in indices:
        outcome, detail = verdict_on(source, index, seed)
        message = f"{outcome}\x01{detail}".replace("\x00", "\\0").encode("utf-8", "backslashreplace") + b"\x00"
        while message:
            message = message[os.write(outgoing, message) :]
    os._exit(0)


def verdict_on(source: str, index: int, seed: int = 0) -> tuple[str, str]:
    """(outcome, detail) of one input, in this process."""
    folder = Path(tempfile.mkdtemp(prefix="fuzz-"))
    before = Path.cwd()
    os.chdir(folder)
    try:
        path, overrides, config_file = _input(folder / "in", source, index, seed)
        return _judge(source, path, overrides, config_file, folder / "out")
    except BaseException as error:
        place = traceback.extract_tb(error.__traceback__)[-1]
        return "raised", f"{type(error).__name__}: {str(error)[:300]} ({Path(place.filename).name}:{place.lineno})"
    finally:
        os.chdir(before)
        shutil.rmtree(folder, ignore_errors=True)


def _input(folder: Path, source: str, index: int, seed: int) -> tuple[Path | None, list[str], Path | None]:
    rng = np.random.default_rng([seed, index, *source.encode()])
    folder.mkdir()
    keys = list(options_of(kind_of(source)).model_fields)
    if source not in ORIGINALS:  # the choreography reads no file: its input is its settings
        if rng.random() < 0.3:
            return None, ["clips=1"], _damaged_config(folder / "config.yaml", rng)
        if rng.random() < 0.1:  # sound ones, of whatever mixture
            return None, ["clips=2", f"exercises_share={rng.random():.3f}", f"gestures_share={rng.random():.3f}"], None
        settings = [s for s in damaged_settings(keys, rng) if not re.match(r"clips=(30|9+|1e9)$", s)]  # valid, but long
        return None, [*settings, *([] if any(s.startswith("clips") for s in settings) else ["clips=2"])], None
    original = ORIGINALS[source]
    path = write_damaged_film(folder, rng) if source == "video" else write_damaged(folder, original, rng)
    settings = [*original.settings, "max_rejected=0.9"]
    return path, settings + (damaged_settings(keys, rng) if rng.random() < 0.1 else []), None


def _damaged_config(file: Path, rng: np.random.Generator) -> Path:
    text = (
        f"ingest:\n  clips: 1\n  {pick(rng, ['fps', 'seed', 'clips', 'exercises_share', 'x'])}: {pick(rng, SETTING_VALUES)}\n"
    )
    bomb = "".join(f"{c}: &{c} [{','.join(['*' + p] * 9)}]\n" for p, c in zip("abcdefgh", "bcdefghi", strict=True))
    texts = [
        text, text, f"a: &a [x,x,x]\n{bomb}ingest: {{clips: *i}}\n", f"ingest:\n a: &a [x]\n{bomb}".replace("\n", "\n "), "- 1\n",
        "ingest: " + "[" * 3000, "ingest: &a {clips: 1, seed: *a}", "!!python/object/apply:os.system ['touch was_run']",
        "ingest:\n  ? [1]\n  : 2\n", "ingest:\n  1: 2\n", "ingest: {clips: 1, 2020-01-01: 3}", "ingest: {fps: ${seed}}",
    ]  # fmt: skip
    text = pick(rng, texts)
    data = text.encode("utf-8", "surrogatepass")
    file.write_bytes(blind(data, rng) if rng.random() < 0.5 else data)
    return file


def kind_of(source: str) -> str:
    """The source of an original: `joints.csv` is another file that `joints` reads."""
    return source.partition(".")[0]


def _judge(source: str, path: Path | None, overrides: list[str], config_file: Path | None, out: Path) -> tuple[str, str]:
    try:
        options = config.resolve(options_of(kind_of(source)), "ingest", config_file, overrides)
    except InputError as error:
        names = [*(s.partition("=")[0] for s in overrides), *([config_file.name] if config_file else [])]
        return _clear(str(error), [name.split(".")[0] for name in names])
    names = [] if path is None else _names(path)
    try:
        ingest(kind_of(source), path, out, options)
    except InputError as error:
        left = [] if not out.exists() else list(out.rglob("*"))
        if left or Path("was_run").exists():
            return "left behind", f"{left}: {error}"
        return _clear(str(error), names or [kind_of(source)])
    if Path("was_run").exists():
        return "ran code", "was_run"
    for table in ("poses", "recordings"):
        for shard in (out / table).glob("*.parquet"):
            columns = schema.POSE_CLIPS if table == "poses" else schema.imu_recordings()
            for row in tables.rows(tables.read_shard(shard, columns)):
                problem = _problem(table, row, source)
                if problem:
                    return "invalid", problem
        quarantine = out / table / tables.QUARANTINE / "rejected.parquet"
        if quarantine.exists():
            import pyarrow.parquet as pq

            for item in pq.read_table(quarantine).to_pylist():
                unclear = _clear(f"{item['item']}: {item['reason']}", names or [kind_of(source)])
                if unclear[0] != "error":
                    return unclear
    return "clip", ""


def _names(path: Path) -> list[str]:
    """What a message may call an input: the file, or one within its folder or archive."""
    inside = [f.name for f in path.rglob("*") if f.is_file()] if path.is_dir() else []
    members = (
        [
            ".bvh",
            ".dat",
            ".log",
            "s01.txt",
            "s02.txt",
            "_watch.txt",
            "activity_df.csv",
            "pamap2",
            ".parquet",
            "_skeleton3D.txt",
            ".mat",
            ".csv",
            ".npy",
            "utd_mhad-a",
            "msr_action3d-a",
            "openpack-U",
            "mmfit-w",
            "_positions.txt",
            "ui_prmd-m",
            ".amc",
            ".asf",
            "geotec_watch-s",
            "realworld-",
        ]
        if path.suffix == ".zip" or path.is_dir()
        else []
    )
    return [path.name, f"-{path.stem}", *inside, *members]  # a clip is called after its file


def _clear(message: str, names: list[str]) -> tuple[str, str]:
    if "\n" in message or "\r" in message:
        return "many lines", message
    if len(message) > LONGEST_MESSAGE:
        return "long message", message
    if _VAGUE.search(message):
        return "vague", message
    if not any(name in message for name in names):
        return "no file named", message
    return "error", message


def _problem(table: str, row: dict[str, object], source: str) -> str | None:
    if table == "recordings":
        return schema.check_imu_recording(row, schema.PLACEMENTS)
    problem = schema.check_pose_clip(row)
    if problem is None:
        samples = simulate_clip(
            row, placements=("left_wrist", "right_wrist"), rate_hz=60.0, low_pass=motion_low_pass("source", kind_of(source)),
            sensor=None, seed=0,
        )  # fmt: skip
        if not all(np.isfinite(values).all() for values in samples.values()):
            problem = f"simulated samples are not finite (fps {row['fps']})"
    return problem
