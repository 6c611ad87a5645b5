"""One small file per outside format, behind the registry `m3n.config.names.SOURCES`.

A source is a module of `poses`, `recordings` or `paired` (both at once) with

- `Options`, a `m3n.config.Options` subclass: the `key=value` settings it takes;
- `pose_clips(path, options)` and / or `imu_recordings(path, options)`: generators that yield rows (dicts with the columns of
  `m3n.schema`, sequences as arrays shaped (length, width)) or `m3n.schema.Rejected` for an item that could not become one.

Adding a format is adding a file and a line of the registry. Nothing outside this folder knows a dataset by name.
"""

from __future__ import annotations

import importlib
from types import ModuleType

from m3n.config.names import SOURCES
from m3n.errors import InputError, nearest


def load(name: str) -> ModuleType:
    """The source module called `name`; an unknown name raises InputError, which suggests the nearest."""
    if name not in SOURCES:
        raise InputError(f"unknown source '{name}'{nearest(name, SOURCES)}; expected one of {', '.join(SOURCES)}")
    return importlib.import_module(f"m3n.sources.{SOURCES[name].folder}.{_MODULES.get(name, name)}")


# where the command's word is no good name for a module
_MODULES = {"recordings": "table", "windows": "windows_npz", "sketch": "sketched", "smpl_pickle": "smpl_sequences"}


def pose_kind(source: str) -> str | None:
    """Kind of the poses of a source; None for recordings and for names that are not in the registry."""
    return SOURCES[source].poses_from if source in SOURCES else None
