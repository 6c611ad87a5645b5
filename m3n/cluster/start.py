"""Connecting to Ray: the cluster the user names, the one a job runs on, or a quiet local one on loopback."""

from __future__ import annotations

import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from m3n.errors import TERMINATED, InputError

LOCAL = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_AUTH_MODE": "disabled",  # a local cluster listens on loopback alone, and the default writes a token into the home folder
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
    "RAY_DATA_DISABLE_PROGRESS_BARS": "1",
    "RAY_TRAIN_ENABLE_PREEMPTION_WATCHER": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_BACKEND_LOG_LEVEL": "fatal",
    "RAY_AIR_NEW_OUTPUT": "0",
    "RAY_worker_maximum_startup_concurrency": "8",  # with one for each core, a sweep on two fills pages with warnings
}
ANSWER_S = 10.0  # for a cluster to be there; Ray itself tries for minutes
DATA_CPUS = 2  # logical CPUs beyond the workers', which Ray's own operators need so as not to wait for ever


def connect(address: str | None = None, workers: int = 2) -> None:
    """Join the cluster at `address` (or the one of the surrounding job), or start a local one; does nothing when connected.

    A local cluster gets at least `workers` + 2 logical CPUs, so that a laptop can run what it is asked to. Raises InputError
    where the address does not answer.
    """
    target = address or os.environ.get("RAY_ADDRESS")
    if not target:
        for name, value in LOCAL.items():
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
        _end_by_sigterm()
        return
    with _native_code_hushed():
        ray.init(
            address="local",  # whatever else runs on this machine
            num_cpus=max(os.cpu_count() or 1, workers + DATA_CPUS),
            include_dashboard=False,
            log_to_driver=False,
            logging_level=logging.ERROR,
            object_store_memory=_object_store_bytes(),
        )
    _end_by_sigterm()


def _end_by_sigterm() -> None:
    """SIGTERM (`ray job stop`, a spot instance taken away) ends this process with `TERMINATED`, in place of Ray's own 15."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(TERMINATED))


def probe(address: str | None = None) -> dict[str, float]:
    """Connect, run a task of m3n's own on a worker, and leave: `nodes`, `cpus` and `gpus` of the cluster.

    Raises InputError where no cluster answers, or no worker comes up with this version of m3n.
    """
    import ray

    already = ray.is_initialized()
    check_listening(address or os.environ.get("RAY_ADDRESS"))
    connect(address)
    try:
        theirs = ray.get(ray.remote(_version).remote(), timeout=120)
        if theirs != _version():
            raise InputError(f"the cluster has m3n {theirs}, and here it is {_version()}: install the same on both")
        has = ray.cluster_resources()
        return {"nodes": len(ray.nodes()), "cpus": has.get("CPU", 0.0), "gpus": has.get("GPU", 0.0)}
    except ray.exceptions.GetTimeoutError:
        raise InputError("Ray answers, but started no worker within 120 s: look into its logs, or free some CPUs") from None
    except ray.exceptions.RayError as error:
        raise InputError(f"Ray answers, but its worker fails: {str(error).strip().splitlines()[-1]}") from None
    finally:
        if not already:
            ray.shutdown()


def check_listening(address: str | None) -> None:
    """InputError where nothing listens at the host:port of an address, which Ray itself takes minutes to find out."""
    host, _, port = (address or "").rpartition("://")[2].rpartition(":")
    if not (host and port.isdigit()):
        return
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=ANSWER_S).close()
    except OSError as error:
        raise InputError(f"no Ray cluster answers at {address}: {error.strerror or error}") from None


def _check_answering(target: str) -> None:
    """InputError where what Ray would connect to (loopback becomes this machine's own address) does not speak gRPC."""
    check_listening(target)
    if "://" in target:  # Ray's client, which gives up by itself
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
def _native_code_hushed() -> Iterator[None]:
    """Ray's native code announces its own log level on file descriptor 2; what goes wrong comes as an exception all the same."""
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def _object_store_bytes() -> int:
    """A tenth of the memory, at least 200 MB: tables are read shard by shard, and windows are what it must hold."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return max(200 * 2**20, min(memory // 10, 8 * 2**30))


class Unhurried:
    """Lets Ray Data's scheduler rest between its turns.

    While all that it may hold has been read and waits to be used, the scheduler goes round without a pause, in a thread of the
    process that uses the data: the training loop then fights with it for Python's lock, and a step of a small network takes four
    times as long. Whoever waits for data sets `hungry`, and it does not rest.
    """

    PAUSE_S = 0.02
    hungry = threading.Event()

    def before_execution_starts(self, executor: Any) -> None: ...

    def on_execution_step(self, executor: Any) -> None:
        self.hungry.wait(self.PAUSE_S)

    def after_execution_succeeds(self, executor: Any) -> None: ...

    def after_execution_fails(self, executor: Any, error: Exception) -> None: ...


def quiet_data() -> None:
    """Ray Data in order, without haste, and without its own progress bars, which would fight with ours."""
    import ray.data  # which sets its loggers up, so that ours comes after it

    logging.getLogger("ray.data").setLevel(logging.CRITICAL)  # it logs what it raises too, at length
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    context.execution_options.preserve_order = True
    context.execution_options.verbose_progress = False
    if Unhurried not in context.custom_execution_callback_classes:
        context.custom_execution_callback_classes.append(Unhurried)
