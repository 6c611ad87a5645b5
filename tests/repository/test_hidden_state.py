"""Importing m3n changes nothing outside it: no environment variable, signal handler, thread, logging level or working folder."""

from __future__ import annotations

import os
import pkgutil
import subprocess
import sys

from places import REPOSITORY

import m3n

MODULES = sorted(found.name for found in pkgutil.walk_packages(m3n.__path__, "m3n.") if not found.name.endswith("__main__"))
SCRIPT = """
import importlib, logging, os, signal, sys, threading
def state():
    found = {f"environment variable {name}": value for name, value in os.environ.items() if not name.startswith("KMP_")}
    found |= {f"handler of signal {n}": str(signal.getsignal(n)) for n in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1)}
    found |= {"threads": threading.active_count(), "level of the log": logging.getLogger().level, "folder": os.getcwd()}
    return found
before = state()
for name in sys.argv[1:]:
    importlib.import_module(name)
    after = state()
    changed = [key for key in before.keys() | after.keys() if before.get(key) != after.get(key)]
    assert not changed, (name, changed)
print(len(sys.argv) - 1)
"""  # KMP_: scikit-learn sets these for OpenMP when it is imported


def test_importing_every_module_changes_no_environment_variable_signal_thread_or_folder():
    clean = {
        name: value for name, value in os.environ.items() if not name.startswith(("OMP_", "MKL_", "MLFLOW_", "RAY_", "TUNE_"))
    }
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, *MODULES], cwd=REPOSITORY, env=clean, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) == len(MODULES) > 100
