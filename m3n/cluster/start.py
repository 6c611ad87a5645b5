"""Connecting to Ray: the cluster the user names, the one a job runs on, or a quiet local one on loopback."""

from __future__ import annotations

import atexit
import logging
import os
import shutil
import signal
import socket
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from m3n.errors import TERMINATED, InputError

QUIET = {  # for any cluster: what Ray says of itself, m3n says in fewer words
    "RAY_AIR_NEW_OUTPUT": "0",
    "RAY_BACKEND_LOG_LEVEL": "fatal",
    "RAY_DATA_DISABLE_PROGRESS_BARS": "1",
}
LOCAL = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_AUTH_MODE": "disabled",  # a local cluster listens on loopback only; the default writes a token into the home folder
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
    "RAY_TRAIN_ENABLE_PREEMPTION_WATCHER": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_worker_maximum_startup_concurrency": "8",  # with Ray's one per core, a sweep on two cores prints pages of warnings
}
ANSWER_S = 10.0  # how long a cluster may take to answer; Ray itself tries for minutes
DRIVER = "m3n-driver"  # a file in the session folder of a local Ray of ours, with the id of the process that started it
# Once the driver is killed, Ray's agents look in their node's log for these words. Without them, they try for a minute to report a
# crash to a server that has ended too.
ENDED = "Raylet received SIGTERM, or will end at the end"
DATA_CPUS = 2  # logical CPUs beyond the workers': without them Ray Data's operators would wait for ever


def connect(address: str | None = None, workers: int = 2) -> None:
    """Join the cluster at `address` (or that of the surrounding job), or start a local one; does nothing when connected.

    A local cluster gets at least `workers` + 2 logical CPUs, so that a small laptop can run the command. Its settings go into the
    environment, the only place where Ray's processes read them; those that the user has set are kept. Raises InputError if the
    address does not answer.
    """
    target = named_cluster(address)
    for name, value in (QUIET if target else QUIET | LOCAL).items():
        os.environ.setdefault(name, value)
    import ray

    if ray.is_initialized():
        return
    for name in ("ray", "ray.data", "ray.train", "ray.tune"):
        logging.getLogger(name).setLevel(logging.ERROR)
    if target:
        _check_answering(target)
        try:
            ray.init(address=target, log_to_driver=False, logging_level=logging.ERROR)
        except (ConnectionError, ValueError, RuntimeError) as error:
            raise InputError(f"no Ray cluster answers at {target}: {str(error).splitlines()[0]}") from None
        end_by_sigterm()
        return
    from ray._private import ray_constants as read_at_import  # the caller may have imported Ray before its settings were made

    read_at_import.ENABLE_RAY_CLUSTER = read_at_import.env_bool(read_at_import.ENABLE_RAY_CLUSTERS_ENV_VAR, True)
    _remove_left_sessions()
    with _native_stderr_silenced():
        found = ray.init(
            address="local",  # a new one, even if another cluster runs on this machine
            num_cpus=max(os.cpu_count() or 1, workers + DATA_CPUS),
            include_dashboard=False,
            log_to_driver=False,
            logging_level=logging.ERROR,
            object_store_memory=_object_store_bytes(),
        )
    session = Path(found.address_info["session_dir"])
    (session / DRIVER).write_text(str(os.getpid()))
    with (session / "logs" / "raylet.out").open("a", encoding="utf-8") as file:
        file.write(f"{ENDED} of its driver\n")
    atexit.register(_end_session, session, os.getpid())
    end_by_sigterm()


def _end_session(session: Path, driver: int) -> None:
    """Stop the local Ray and remove its folder, with logs and spilled objects; not from a process that was forked."""
    if os.getpid() == driver:
        import ray

        ray.shutdown()
        shutil.rmtree(session, ignore_errors=True)


def _remove_left_sessions() -> None:
    """Remove the folders of local Rays of ours whose driver was killed."""
    for mark in Path(os.environ.get("RAY_TMPDIR") or tempfile.gettempdir(), "ray").glob(f"session_*/{DRIVER}"):
        with suppress(OSError, ValueError):
            if not Path(f"/proc/{int(mark.read_text())}").exists():
                shutil.rmtree(mark.parent, ignore_errors=True)


def named_cluster(address: str | None) -> str | None:
    """The cluster that the user or the surrounding job names; None: Ray, where it is needed, is a local one."""
    return address or os.environ.get("RAY_ADDRESS")


@contextmanager
def environment(**values: str) -> Iterator[None]:
    """Environment variables for the duration of a block, for settings that Ray reads nowhere else."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def end_by_sigterm() -> None:
    """Make SIGTERM (`ray job stop`, a reclaimed spot instance) end this process with status `TERMINATED` instead of Ray's 15."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(TERMINATED))


def probe(address: str | None = None) -> dict[str, float]:
    """Connect, run a task of m3n on a worker, and disconnect; returns `nodes`, `cpus` and `gpus` of the cluster.

    Raises InputError if no cluster answers, or no worker starts with this version of m3n.
    """
    import ray

    already = ray.is_initialized()
    check_listening(named_cluster(address))
    connect(address)
    try:
        theirs = ray.get(ray.remote(_version).remote(), timeout=120)
        if theirs != _version():
            raise InputError(f"the cluster has m3n {theirs}, and here it is {_version()}: install the same on both")
        has = ray.cluster_resources()
        return {"nodes": len(ray.nodes()), "cpus": has.get("CPU", 0.0), "gpus": has.get("GPU", 0.0)}
    except ray.exceptions.GetTimeoutError:
        raise InputError("Ray answers, but started no worker within 120 s: read its logs, or free some CPUs") from None
    except ray.exceptions.RayError as error:
        raise InputError(f"Ray answers, but its worker fails: {str(error).strip().splitlines()[-1]}") from None
    finally:
        if not already:
            ray.shutdown()


def check_listening(address: str | None) -> None:
    """Raise InputError if nothing listens at the host:port of an address; Ray itself takes minutes to notice."""
    host, _, port = (address or "").rpartition("://")[2].rpartition(":")
    if not (host and port.isdigit()):
        return
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=ANSWER_S).close()
    except OSError as error:
        raise InputError(f"no Ray cluster answers at {address}: {error.strerror or error}") from None


def _check_answering(target: str) -> None:
    """Raise InputError if the server that Ray would connect to (loopback becomes this machine's address) does not speak gRPC."""
    check_listening(target)
    if "://" in target:  # Ray's client has a timeout of its own
        return
    import grpc
    from ray._private.services import canonicalize_bootstrap_address

    try:
        place = canonicalize_bootstrap_address(target)
    except (ConnectionError, ValueError) as error:
        raise InputError(f"no Ray cluster answers at {target}: {str(error).splitlines()[0]}") from None
    check_listening(place)
    if place is None or os.environ.get("RAY_USE_TLS", "0") != "0":
        return
    with grpc.insecure_channel(place, options=[("grpc.enable_http_proxy", 0)]) as channel:
        try:
            grpc.channel_ready_future(channel).result(timeout=ANSWER_S)
        except grpc.FutureTimeoutError:
            raise InputError(f"no Ray cluster answers at {target}: something else listens there") from None


def _version() -> str:
    import m3n

    return m3n.__version__


@contextmanager
def _native_stderr_silenced() -> Iterator[None]:
    """Silence file descriptor 2, where Ray's native code announces its log level; errors still arrive as exceptions."""
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def _object_store_bytes() -> int:
    """A tenth of the memory, at least 200 MB: it holds windows, and tables are read shard by shard."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return max(200 * 2**20, min(memory // 10, 8 * 2**30))


class SchedulerPause:
    """Makes Ray Data's scheduler pause between its rounds, unless data is wanted at once.

    The scheduler runs in a thread of the process that consumes the data. While its buffer is full it polls without a pause and
    competes with the training loop for Python's lock, so that a step of a small network takes four times as long. Ray makes its
    own instances of this class, hence one event for the process: `cluster.feed` sets it while a training loop waits for data.
    """

    PAUSE_S = 0.02
    data_wanted = threading.Event()

    def before_execution_starts(self, executor: Any) -> None: ...

    def on_execution_step(self, executor: Any) -> None:
        self.data_wanted.wait(self.PAUSE_S)

    def after_execution_succeeds(self, executor: Any) -> None: ...

    def after_execution_fails(self, executor: Any, error: Exception) -> None: ...


def configure_data() -> None:
    """Let Ray Data keep the order, pause its scheduler, and print nothing: its progress bars would mix with m3n's."""
    import ray.data  # sets up its own loggers, so that the level below comes afterwards

    logging.getLogger("ray.data").setLevel(logging.CRITICAL)  # it logs at length what it also raises
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    context.execution_options.preserve_order = True
    context.execution_options.verbose_progress = False
    if SchedulerPause not in context.custom_execution_callback_classes:
        context.custom_execution_callback_classes.append(SchedulerPause)
