"""A user's YAML file of `name: value` lines, such as sentences by label."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from m3n.errors import InputError


def read_mapping(file: Path, expected: str, named: str | None = None, what: str | None = None) -> dict[Any, Any]:
    """The file's mapping. InputError where it cannot be read, is no YAML, or holds something other than `expected`.

    `named`: what messages call the file, if not by its path; `what`: what cannot be read, if not that.
    """
    named = named or str(file)
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot read {what or named}: {getattr(error, 'strerror', None) or error}") from None
    except (yaml.YAMLError, RecursionError) as error:
        raise InputError(f"{named} is not valid YAML: {' '.join(str(error).split())}") from None
    if not isinstance(content, dict):
        raise InputError(f"{named}: expected {expected}, found a {type(content).__name__}")
    return content
