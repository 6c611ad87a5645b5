"""Files that come with m3n beside its code: presets, search spaces, benchmarks, pretrained weights and the tested versions of what
m3n needs.

A checkout has them at the top level, where people look for them; a wheel carries the same files inside the package (see
`[tool.hatch.build.targets.wheel]` in pyproject.toml). Every part of m3n asks here, so that no other part knows the difference.
"""

from __future__ import annotations

import os
from pathlib import Path

from m3n.errors import InputError, nearest, one_line

PACKAGE = Path(__file__).resolve().parent
_KINDS = {".py": "a Python file", ".yaml": "a YAML file"}


def is_checkout() -> bool:
    """Whether this code runs from a checkout rather than from an installed wheel."""
    return (PACKAGE.parent / "pyproject.toml").is_file()


def place(name: str) -> Path:
    """Where a file or folder that comes with m3n is, such as "configs" or "constraints.txt"."""
    inside = PACKAGE / name
    return inside if inside.exists() else PACKAGE.parent / name


def find(name: str | Path, folder: str, suffix: str, what: str) -> Path:
    """The file at the path `name` or, if there is none, the file of that name in a folder that comes with m3n.

    The suffix may be left out. Raises InputError that lists the names of the folder where neither exists; `what`: the kind of file,
    for the message, such as "search space".
    """
    there = place(folder)
    if os.path.exists(name) and not os.path.isdir(name):  # a pipe is good too
        return Path(name)
    file = next((f for f in (there / name, there / f"{name}{suffix}") if os.path.isfile(f)), None)
    if file is None:
        known = sorted(f.stem for f in there.glob(f"*{suffix}"))
        name = one_line(str(name), 300)
        raise InputError(f"no {what} '{name}'{nearest(name, known)}: expected {_KINDS[suffix]}, or one of {', '.join(known)}")
    return file


def weights() -> dict[str, Path]:
    """Name -> folder of the pretrained weights that come with m3n (docs/weights.md)."""
    return {card.parent.name: card.parent for card in sorted((PACKAGE / "weights").glob("*/checkpoint.json"))}


def weights_known() -> str:
    """A clause for messages: the names of the weights that come with m3n, or how to make some."""
    known = ", ".join(weights())
    return f"the weights that come with m3n: {known}" if known else "no weights come with this version of m3n (docs/weights.md)"
