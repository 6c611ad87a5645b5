"""What people do in a source's activities, in sentences of its own text file: a class of recordings described without a recording.

`texts/<source>.yaml` holds one entry per activity: {label: …, texts: [sentence, …]}.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

TEXTS = Path(__file__).with_name("texts")


def sentences(source: str) -> dict[str, list[str]]:
    """Label -> sentences; empty for a source without a file of labelled sentences."""
    file = TEXTS / f"{Path(source).name}.yaml"
    if not file.is_file():
        return {}
    entries: dict[Any, Any] = yaml.safe_load(file.read_text(encoding="utf-8"))
    return {entry["label"]: list(entry["texts"]) for entry in entries.values() if "label" in entry and "texts" in entry}
