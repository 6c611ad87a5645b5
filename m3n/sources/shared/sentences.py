"""What people do in a source's activities, in sentences of its own text file: a class of recordings described without a recording.

`texts/<source>.yaml` holds one entry per activity: {label: …, texts: [sentence, …]}.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from m3n.errors import InputError, nearest
from m3n.untrusted.yaml_mapping import read_mapping

NO_ACTIVITY = {  # labels of no activity in particular, in small letters
    "null", "none", "other", "others", "unknown", "undefined", "unlabelled", "unlabeled", "background", "transient", "na", "nan",
}  # fmt: skip
TEXTS = Path(__file__).resolve().parents[1] / "texts"


@lru_cache(maxsize=64)
def sentences(source: str) -> dict[str, list[str]]:
    """Label -> sentences; empty for a source without a file of labelled sentences."""
    file = TEXTS / f"{Path(source).name}.yaml"
    if not file.is_file():
        return {}
    entries: dict[Any, Any] = yaml.safe_load(file.read_text(encoding="utf-8"))
    return {entry["label"]: list(entry["texts"]) for entry in entries.values() if "label" in entry and "texts" in entry}


def label_sentence(label: str) -> str:
    """A sentence made from the words of a label: WALKING -> "A person is walking.", sit_to_stand -> "A person is doing: sit to
    stand."; "" for a label without words (a number) or of no activity in particular (null, other)."""
    words = re.sub(r"(?<=[a-z])(?=[A-Z])|[\W_]+", " ", label).lower().split()
    words = [word for word in words if not word.isdigit()]
    if not words or "".join(words) in NO_ACTIVITY:
        return ""
    said = " ".join(words)
    return f"A person is {said}." if words[0].endswith("ing") else f"A person is doing: {said}."


def class_sentences(given: str | None, sources: Sequence[str], classes: Sequence[str], otherwise: str) -> dict[str, list[str]]:
    """Label -> sentences for every class, from the file `given` or (None) those of the recordings' sources.

    `otherwise`: what the user can do who has none. Raises InputError for a file that cannot be read, and for a class that has no
    sentence.
    """
    found = _read_sentences(Path(given)) if given else {k: v for s in sources for k, v in sentences(s).items()}
    missing = [name for name in classes if not found.get(name)]
    if missing:
        where = given or f"the texts of {', '.join(sources)}"
        raise InputError(
            f"no sentence for the label '{missing[0]}'{nearest(missing[0], found)} in {where}: give sentences=FILE.yaml with "
            f"`label: [sentence, …]` for every label, or {otherwise}"
        )
    return {name: found[name] for name in classes}


def _read_sentences(file: Path) -> dict[str, list[str]]:
    content = read_mapping(file, "`label: [sentence, …]` for every label", what=f"the sentences of {file}")
    for label, lines in content.items():
        if not (isinstance(lines, list) and lines and all(isinstance(line, str) and line.strip() for line in lines)):
            raise InputError(f"{file}: label '{label}' holds {str(lines)[:60]!r}, expected a list of sentences")
    return {str(label): lines for label, lines in content.items()}
