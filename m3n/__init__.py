"""m3n: activity-recognition models for wrist IMUs, pretrained on human motion from video through virtual IMUs.

Names are imported on first use, so that `import m3n` and `m3n --help` stay quick.
"""

from __future__ import annotations

import importlib
from typing import Any

__version__ = "0.1.0"

_MODULES = {
    "InputError": "m3n.errors",
    "M3NClassifier": "m3n.classifier",
    "SITES": "m3n.imu.placement",
    "Site": "m3n.config",
    "evaluate": "m3n.commands.evaluate.command",
    "finetune": "m3n.commands.finetune",
    "ingest": "m3n.commands.ingest",
    "load": "m3n.encoder",
    "predict": "m3n.commands.predict",
    "pretrain": "m3n.commands.pretrain",
    "simulate": "m3n.imu.simulate",
    "simulate_clips": "m3n.commands.simulate.command",
    "tune": "m3n.commands.tune.command",
}
__all__ = [
    "SITES", "InputError", "M3NClassifier", "Site", "__version__", "evaluate", "finetune", "ingest", "load", "predict", "pretrain",
    "simulate", "simulate_clips", "tune",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return getattr(importlib.import_module(_MODULES[name]), name)
    raise AttributeError(f"module 'm3n' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted(__all__)
