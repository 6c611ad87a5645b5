"""Which sketches show what a study's labels mean: by name, then by the meaning of their sentences.

Labels of studies come as WALKING, Sitting_Down, brushTeeth or "walk on a treadmill". A label and a sketch's names are compared as
stems of words, in their order and then in any order, without the words that only say which hand; what no name fits is compared by
sentence embedding. Another name may belong to several sketches: a label "tennis" is forehand, backhand and serve. A match is a
proposal, to be read and changed by the user.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from m3n.errors import InputError, nearest, shown

Embed = Callable[[Sequence[str]], npt.NDArray[np.float32]]  # sentences -> unit vectors (sentences, features)

THRESHOLD = 0.68  # cosine from which a label counts as meant
_CODE = re.compile(r"[a-z]?\d+")  # 03, a13
_FILLERS = {"a", "an", "the", "of", "one", "s", "his", "her", "their", "is", "are", "person", "someone", "some"}
_LINKS = {"on", "in", "with", "at", "from", "and", "for", "by", "while", "using", "us", "do", "perform", "exercis", "activity"}
_HANDS = {"left", "right", "hand", "arm", "both"}
_IRREGULAR = {
    "lying": "lie", "lay": "lie", "laying": "lie", "laid": "lie", "sat": "sit", "stood": "stand", "ran": "run", "rode": "ride",
    "ate": "eat", "drank": "drink", "wrote": "write", "threw": "throw", "drew": "draw", "drove": "drive", "swam": "swim",
    "caught": "catch", "swept": "sweep", "teeth": "tooth", "feet": "foot", "knives": "knife", "shelves": "shelf", "dying": "die",
    "tying": "tie", "counterclockwise": "anticlockwise", "bike": "bicycle", "biking": "bicycle",
}  # fmt: skip


@dataclass(frozen=True)
class Names:
    """What a sketch is known by: its own name, other names, and sentences that describe it."""

    name: str
    also: tuple[str, ...] = ()
    texts: tuple[str, ...] = ()


@dataclass(frozen=True)
class Match:
    """The sketches found for a label. `how`: "name", "also", "sentence", "given" or "none"; `sure`: 0 to 1.

    `near`: the sketches of the nearest meaning or spelling where none was found.
    """

    label: str
    sketches: tuple[str, ...]
    how: str
    sure: float
    near: tuple[str, ...] = ()


def match_labels(
    labels: Sequence[str],
    known: Sequence[Names],
    given: Mapping[str, Any] | None = None,
    embed: Embed | None = None,
    threshold: float = THRESHOLD,
) -> list[Match]:
    """The sketches of every label, in the labels' order; `given`, the user's word, comes before names, and names before meaning.

    `given`: label -> name of a sketch, several of them, or None for none. `embed`: None compares names only. Raises InputError for
    a label or a sketch in `given` that does not exist.
    """
    chosen = _given(given or {}, labels, known)
    found = {label: chosen.get(label) or _by_name(label, known) for label in labels}
    open_labels = [label for label, match in found.items() if match is None]
    if open_labels:
        found |= _by_meaning(open_labels, known, embed, threshold) if embed else {o: _unmatched(o, known) for o in open_labels}
    return [match for match in found.values() if match is not None]


def table(matches: Sequence[Match]) -> str:
    """The matches as lines of text: label, sketches, how they were found, and how sure that is."""
    rows = [("label", "sketch", "how", "sure")]
    for match in matches:
        name = ", ".join(match.sketches) or (f"- (nearest: {', '.join(match.near)})" if match.near else "-")
        rows.append((match.label, name, match.how, f"{match.sure:.2f}" if match.sketches else "-"))
    wide = [max(len(row[k]) for row in rows) for k in range(3)]
    return "\n".join("  ".join([*(cell.ljust(w) for cell, w in zip(row, wide, strict=False)), row[3]]).rstrip() for row in rows)


def words(text: str) -> tuple[str, ...]:
    """Stems of the words of a label, without articles and numbering: `03_WalkingUpstairs` gives (walk, upstair)."""
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", " ", text).lower().replace("'", "")
    parts = [part for part in re.findall(r"[^\W_]+", spaced) if part not in _FILLERS]
    return tuple(stem(part) for part in parts if not _CODE.fullmatch(part)) or tuple(parts)


def stem(word: str) -> str:
    """A word without its ending, so that walk, walks, walked and walking are one; no dictionary, so stems need not be words."""
    word = _IRREGULAR.get(word, word)
    for ending, left in (("ing", 3), ("ed", 3), ("ies", 2), ("es", 3), ("s", 3)):
        if word.endswith(ending) and len(word) - len(ending) >= left and not (ending == "s" and word.endswith("ss")):
            word = word.removesuffix(ending) + ("y" if ending == "ies" else "")
            break
    word = word.removesuffix("e") if len(word) > 3 else word
    return word[:-1] if len(word) > 3 and word[-1] == word[-2] and word[-1] not in "aeiou" else word


def _given(given: Mapping[str, Any], labels: Sequence[str], known: Sequence[Names]) -> dict[str, Match]:
    names = {sketch.name for sketch in known}
    chosen = {}
    for label, value in given.items():
        if label not in labels:
            raise InputError(f"match names the label '{shown(label)}', which no recording has{nearest(str(label), labels)}")
        wanted = [] if value is None else value if isinstance(value, list) else [value]
        for name in wanted:
            if not isinstance(name, str) or name not in names:
                raise InputError(
                    f"match gives '{label}' the sketch '{shown(name)}', which does not exist{nearest(str(name), names)}"
                )
        chosen[label] = Match(label, tuple(dict.fromkeys(wanted)), "given", 1.0)
    return chosen


def _by_name(label: str, known: Sequence[Names]) -> Match | None:
    """The sketch of that name or, of other names, every sketch that has it; in ever looser readings, none of which is ambiguous."""
    for reading, sure in _READINGS:
        if said := reading(label):
            named = tuple(sketch.name for sketch in known if reading(sketch.name) == said)
            also = tuple(sketch.name for sketch in known if any(reading(name) == said for name in sketch.also))
            if len(named) == 1:
                return Match(label, named, "name", sure)
            if also and (sure == 1 or len(also) == 1):
                return Match(label, also, "also", sure)
    return None


def _joined(text: str) -> str:
    return "".join(words(text))


def _in_any_order(text: str) -> frozenset[str]:
    return frozenset(words(text)) - _LINKS


def _whichever_hand(text: str) -> frozenset[str]:
    return frozenset(words(text)) - _LINKS - _HANDS


_READINGS: tuple[tuple[Callable[[str], object], float], ...] = ((_joined, 1.0), (_in_any_order, 0.9), (_whichever_hand, 0.8))


def _by_meaning(labels: Sequence[str], known: Sequence[Names], embed: Embed, threshold: float) -> dict[str, Match | None]:
    """The sketch with the name, other name or sentence of the nearest meaning."""
    said = [(k, text) for k, sketch in enumerate(known) for text in (sketch.name, *sketch.also, *sketch.texts)]
    vectors = embed([*(" ".join(_spoken(label)) for label in labels), *(text.replace("{side}", "right") for _, text in said)])
    cosines = vectors[: len(labels)] @ vectors[len(labels) :].T
    of = np.array([k for k, _ in said])
    best = np.stack([cosines[:, of == k].max(1) for k in range(len(known))], axis=1)
    found: dict[str, Match | None] = {}
    for label, row in zip(labels, best, strict=True):
        order = np.argsort(-row, kind="stable")
        sure = float(row[order[0]])
        near = tuple(known[k].name for k in order[:3])
        found[label] = Match(label, near[:1], "sentence", sure) if sure >= threshold else Match(label, (), "none", sure, near)
    return found


def _spoken(label: str) -> list[str]:
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", label).lower()
    return re.findall(r"[^\W\d_]+", spaced) or [label]


def _unmatched(label: str, known: Sequence[Names]) -> Match:
    said = set(words(label)) - _LINKS - _HANDS
    shared = [(len(said & set(words(name))), sketch.name) for sketch in known for name in (sketch.name, *sketch.also)]
    near = dict.fromkeys(name for count, name in sorted(shared, key=lambda one: -one[0]) if count)
    return Match(label, (), "none", 0.0, tuple(near)[:3])
