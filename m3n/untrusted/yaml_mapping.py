"""YAML of users: a file of `name: value` lines, such as sentences by label, and a loader that refuses a key given twice."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from m3n.errors import InputError


class UniqueKeys(yaml.SafeLoader):
    """Plain YAML in which a key given twice is an error: YAML itself would keep the last value without a word."""

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        """A mapping; ValueError, with the line, where a key is given twice."""
        seen: set[str] = set()
        for key in (key for key, _ in node.value if isinstance(key, yaml.ScalarNode)):
            if key.value in seen:
                raise ValueError(f"the key '{key.value}' is given twice, again in line {key.start_mark.line + 1}")
            seen.add(key.value)
        return super().construct_mapping(node, deep)


def read_mapping(file: Path, expected: str, named: str | None = None, what: str | None = None) -> dict[Any, Any]:
    """The file's mapping. InputError where it cannot be read, is no YAML, or holds something other than `expected`.

    `named`: what messages call the file, if not by its path; `what`: what cannot be read, if not that.
    """
    named = named or str(file)
    try:
        content = yaml.load(file.read_text(encoding="utf-8"), UniqueKeys)
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot read {what or named}: {getattr(error, 'strerror', None) or error}") from None
    except Exception as error:  # YAML's own types, such as !!int of nothing, fail in any way at all
        raise InputError(f"{named} is not valid YAML: {' '.join(str(error).split())}") from None
    if not isinstance(content, dict):
        raise InputError(f"{named}: expected {expected}, found a {type(content).__name__}")
    return content
