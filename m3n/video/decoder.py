"""Decodes videos in a process of its own, so that a damaged file cannot end the job.

FFmpeg is C code that reads what strangers wrote: a file may make it crash, hang or fill the memory. Here that ends a child process,
whose address space is limited, and becomes one clear line about the file. Child and parent take turns: a request is a line of JSON,
so is its answer, and the pixels of a frame lie in memory that both have mapped.
"""

from __future__ import annotations

import json
import mmap
import os
import select
import signal
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from m3n.errors import InputError, one_line
from m3n.video import decoding
from m3n.video.decoding import Facts, Frame

MEMORY = 4 << 30  # bytes of address space that decoding may take: 8K with all its reference frames needs half of it
PATIENCE_S = 300.0  # for an answer, on a slow disk too
_LONGEST_ANSWER = 4000  # bytes: what is shorter than PIPE_BUF is written and read at once
_START = "import sys; sys.path[:] = {path!r}; from m3n.video.decoder import serve; serve({memory})"


class _EndedError(Exception):
    """The process has ended or was ended; the message says how."""


class Decoder:
    """`facts` and `frames` as in `m3n.video.decoding`, in a process that starts with the first request. One request at a time: the
    frames of a video end when another is asked for. `patience_s`: how long a frame may take."""

    def __init__(self, patience_s: float = PATIENCE_S) -> None:
        self._patience_s = patience_s
        self._process: subprocess.Popen[bytes] | None = None
        self._pixels: mmap.mmap | None = None
        self._memory, self._films = -1, 0

    def __enter__(self) -> Decoder:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def facts(self, file: Path) -> Facts:
        """As `decoding.facts`; InputError also for a file over which decoding crashes twice."""
        for last in (False, True):
            try:
                return Facts(*self._asked({"facts": str(file.absolute())})["facts"])
            except _EndedError as ended:
                if last:
                    raise InputError(f"{file.name}: {ended}; is it damaged?") from None
        raise AssertionError

    def frames(
        self, file: Path, start_s: float = 0.0, stop_s: float | None = None, max_fps: float = 60.0,
        largest_side: int = decoding.LARGEST_SIDE,
    ) -> Iterator[Frame]:  # fmt: skip
        """As `decoding.frames`; where decoding crashes, it goes on after the last frame, and InputError says that it crashed there
        again."""
        wanted = {"frames": str(file.absolute()), "stop_s": stop_s, "max_fps": max_fps, "largest_side": largest_side}
        request: dict[str, Any] = wanted | {"start_s": start_s}
        crashed = False
        self._films = film = self._films + 1
        while film == self._films:
            try:
                answer = self._asked(request)
            except _EndedError as ended:
                if crashed:
                    raise InputError(f"{file.name}: {ended} after {start_s:.2f} s; is it damaged?") from None
                crashed, request = True, wanted | {"start_s": start_s}
                continue
            if "time_s" not in answer:
                return
            crashed, request = False, {"next": True}
            frame = Frame(answer["time_s"], self._image(answer["shape"]))
            start_s = frame.time_s + decoding.least_step(max_fps)
            yield frame

    def close(self) -> None:
        """End the process."""
        if self._process is not None:
            self._end(self._process)

    def _image(self, shape: tuple[int, int, int]) -> np.ndarray[Any, Any]:
        size = int(np.prod(shape))
        if self._pixels is None or len(self._pixels) < size:
            self._pixels = mmap.mmap(self._memory, os.fstat(self._memory).st_size)
        return np.frombuffer(self._pixels, np.uint8, size).reshape(shape).copy()

    def _asked(self, request: dict[str, Any]) -> dict[str, Any]:
        process = self._process or self._started()
        assert process.stdin is not None
        assert process.stdout is not None
        with suppress(BrokenPipeError):  # it has ended: there is no answer, and below it is said why
            process.stdin.write(json.dumps(request).encode() + b"\n")
        ready = select.poll()
        ready.register(process.stdout, select.POLLIN)
        if not ready.poll(1000 * self._patience_s):
            self._end(process)
            raise _EndedError(f"decoding it came to no end within {self._patience_s:g} s")
        said = os.read(process.stdout.fileno(), _LONGEST_ANSWER + 1)
        if not said:
            self._end(process)
            raise _EndedError(f"decoding it ended in a crash ({_cause(process.returncode)})")
        answer: dict[str, Any] = json.loads(said)
        if "error" in answer:
            raise InputError(answer["error"])
        if "bug" in answer:
            raise RuntimeError(answer["bug"])
        return answer

    def _started(self) -> subprocess.Popen[bytes]:
        self._memory = _shared_memory()
        code = _START.format(path=sys.path, memory=self._memory)
        self._process = subprocess.Popen(
            [sys.executable, "-c", code],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, bufsize=0, pass_fds=[self._memory],
        )  # fmt: skip
        return self._process

    def _end(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        with suppress(BrokenPipeError):
            process.stdin.close()
        process.stdout.close()
        with suppress(subprocess.TimeoutExpired):
            process.wait(0.2)  # one that has crashed says so itself
        if process.returncode is None:
            process.kill()
            process.wait()
        os.close(self._memory)
        self._process = self._pixels = None


def _shared_memory() -> int:
    if hasattr(os, "memfd_create"):
        return os.memfd_create("m3n-frame")
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())


def _cause(code: int) -> str:
    if code == -signal.SIGKILL:
        return "it was killed, perhaps because memory ran out"
    return signal.strsignal(-code) or f"signal {-code}" if code < 0 else f"exit status {code}"


def serve(memory: int) -> None:
    """The child: answers requests until there are no more. `memory`: the file descriptor of the pixels."""
    answers, nothing = os.dup(1), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 1)  # libraries that print must not answer
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides when to end
    _limit_memory()
    pixels: mmap.mmap | None = None
    frames: Iterator[Frame] = iter(())
    name = ""
    for line in sys.stdin.buffer:
        request = json.loads(line)
        name = Path(request.get("facts") or request.get("frames") or name).name
        answer: dict[str, Any] = {}
        try:
            if "facts" in request:
                found = decoding.facts(Path(request["facts"]))
                answer = {"facts": [found.duration_s, found.width, found.height, found.codec]}
            elif "frames" in request:
                where = (request[key] for key in ("start_s", "stop_s", "max_fps", "largest_side"))
                frames = decoding.frames(Path(request["frames"]), *where)
            if "facts" not in request and (frame := next(frames, None)) is not None:
                if pixels is None or len(pixels) < frame.image.nbytes:
                    os.ftruncate(memory, frame.image.nbytes)
                    pixels = mmap.mmap(memory, frame.image.nbytes)
                np.frombuffer(pixels, np.uint8, frame.image.nbytes).reshape(frame.image.shape)[...] = frame.image
                answer = {"time_s": frame.time_s, "shape": frame.image.shape}
        except InputError as error:
            answer = {"error": str(error)}
        except MemoryError:
            answer = {"error": f"{name}: decoding it needs more than {MEMORY >> 30} GB of memory; is it damaged?"}
        except OSError as error:
            answer = {"error": f"{name}: cannot be read ({one_line(error.strerror or str(error), 120)})"}
        except Exception:
            answer = {"bug": traceback.format_exc()[-_LONGEST_ANSWER // 2 :]}
        os.write(answers, json.dumps(answer).encode())


def _limit_memory() -> None:
    import resource

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        hard = resource.getrlimit(resource.RLIMIT_AS)[1]
        most = used + MEMORY if hard == resource.RLIM_INFINITY else min(hard, used + MEMORY)
        resource.setrlimit(resource.RLIMIT_AS, (most, hard))
