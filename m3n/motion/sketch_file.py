"""Reads sketches from YAML (docs/sketches.md): every mistake is one line with file, line, column and the nearest word.

Only the nodes of the file are looked at (`yaml.compose` of the safe loader), nothing is constructed from its tags, and every
value is checked against the vocabulary and ranges of `sketch`, so that the engine needs no checks of its own.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from m3n.errors import InputError, nearest, one_line
from m3n.motion import sketch as s
from m3n.motion.marked_yaml import MarkedYaml, is_number, is_range
from m3n.motion.sketch_targets import TARGETS

SHIPPED = Path(__file__).with_name("sketches")
_ANY_SECONDS = (0.05, 600.0)
_HOLD_KEYS = ("hand", "arm", "palm", "elbow", "wrist", "spread")
_SHAKE_KEYS = ("shake", "circle", "twist", "along", "plane")
_PHASE_KEYS = (*_HOLD_KEYS, *_SHAKE_KEYS, "share", "hold", "every_s", "other", *s.TRUNK, *s.LEGS)
_PART_KEYS: tuple[str, ...] = (
    "label", "sentences", "also", "weight", "posture", "hand", "both", "other", "phases", "tempo_s", "pause_s", "repetitions",
    "seconds", "amplitude", "cycle_s", "swing", "stride", "heading",
)  # fmt: skip
_TRANSITION_KEYS: tuple[str, ...] = ("label", "sentences", "also", "weight", "from", "to", "seconds", "lean")
_SEQUENCE_KEYS: tuple[str, ...] = ("label", "sentences", "also", "weight", "sequence")
_KEYS = tuple(dict.fromkeys((*_PART_KEYS, *_TRANSITION_KEYS, *_SEQUENCE_KEYS)))


def read_sketches(path: Path) -> dict[str, s.Sketch]:
    """The sketches of a YAML file, by label; in a folder, those of all its `.yaml` files.

    Raises InputError with line and column for the first mistake, and for a label that appears twice.
    """
    path = Path(path)
    files = sorted(path.glob("*.y*ml")) if path.is_dir() else [path]
    if not files:
        raise InputError(f"{path}: no .yaml file; expected a file of sketches, or a folder of them")
    readers = [_File(file) for file in files]
    found: dict[str, s.Sketch] = {}
    places: dict[str, str] = {}
    for reader in readers:
        for label, (sketch, node) in reader.sketches.items():
            if label in found:
                reader.fail(node, f"duplicate label '{label}', first in {places[label]}")
            found[label], places[label] = sketch, f"{reader.name} line {node.start_mark.line + 1}"
    for reader in readers:
        reader.check_names(found, within_m3n=path.resolve() == SHIPPED)
    return found


@functools.lru_cache(maxsize=1)
def shipped_sketches() -> Mapping[str, s.Sketch]:
    """The sketches that come with m3n, by label."""
    return read_sketches(SHIPPED)


class _File(MarkedYaml):
    """One YAML file, being read."""

    def __init__(self, file: Path) -> None:
        super().__init__(file)
        self._named: list[tuple[yaml.Node, str, bool]] = []  # names of sketches, and whether a posture will do
        self.sketches: dict[str, tuple[s.Sketch, yaml.Node]] = {}
        for node in self.items(self.root, "sketches"):
            sketch = self._sketch(node)
            if sketch.label in self.sketches:
                first = self.sketches[sketch.label][1].start_mark.line + 1
                self.fail(node, f"duplicate label '{sketch.label}', first in line {first}")
            self.sketches[sketch.label] = (sketch, node)

    def check_names(self, known: Mapping[str, s.Sketch], *, within_m3n: bool) -> None:
        """InputError for a sequence or transition that names a sketch which neither the user nor m3n has, or nests them."""
        for node, name, posture in self._named:
            if posture and name in s.POSTURES:
                continue
            everything = {**({} if within_m3n else shipped_sketches()), **known}
            if name not in everything:
                names = [*everything, *(s.POSTURES if posture else ())]
                expected = "a posture, or " * posture + "the label of a sketch in this file or of one that comes with m3n"
                self.fail(node, f"unknown sketch '{name}'{nearest(name, names)}; expected {expected}")
            if everything[name].steps:
                self.fail(node, f"'{name}' is itself a sequence; name its parts instead")
            if posture and everything[name].is_transition:
                self.fail(node, f"'{name}' is itself a transition; expected a posture or a sketch that stays in one")

    def _place(self, node: yaml.Node, what: str, known: Sequence[str], most: float) -> s.Choice[s.Place]:
        """Names, or one point: three numbers or ranges."""

        def point(node: yaml.Node) -> s.Place:
            if len(node.value) != 3:
                self.fail(node, f"{what} holds {len(node.value)} numbers, expected [outwards, up, forward] or a name")
            outwards, up, forward = (self.range(item, what, -most, most) for item in node.value)
            return (outwards, up, forward)

        def place(node: yaml.Node) -> s.Place:
            return point(node) if isinstance(node, yaml.SequenceNode) else self.word(node, what, known)

        if isinstance(node, yaml.SequenceNode) and any(map(is_number, node.value)):
            return s.one(point(node))
        return self.choice(node, what, place)

    def _hold(self, found: Mapping[str, yaml.Node]) -> s.Hold:
        if "hand" in found and "arm" in found:
            self.fail(found["arm"], "both hand and arm are given; expected a target or joint angles")
        arm = None
        if "arm" in found:
            angles = self.keys(found["arm"], tuple(s.ANGLES), "arm")
            arm = {name: self.range(node, name, *s.ANGLES[name]) for name, node in angles.items()}
            for key in ("palm", "elbow"):
                if key in found:
                    self.fail(
                        found[key], f"{key} goes with a hand's target; with arm, give pronation and elbow as angles in it"
                    )

        def palm(node: yaml.Node) -> str | s.Range:
            return self.range(node, "palm", -95.0, 95.0) if is_number(node) else self.word(node, "palm", s.PALMS)

        return s.Hold(
            hand=self._place(found["hand"], "hand target", tuple(TARGETS), 0.8) if "hand" in found else None,
            arm=arm,
            palm=None if "palm" not in found
            else s.one(self.range(found["palm"], "palm", -95.0, 95.0)) if is_range(found["palm"])
            else self.choice(found["palm"], "palm", palm),
            elbow=self._place(found["elbow"], "elbow", s.ELBOWS, 10.0) if "elbow" in found else None,
            wrist=self.range(found["wrist"], "wrist", -70.0, 80.0) if "wrist" in found else s.Range(0.0, 0.0),
            spread=self.number(found["spread"], "spread", 0.0, 0.5) if "spread" in found else None,
        )  # fmt: skip

    def _other(self, node: yaml.Node) -> s.Hold | str:
        if isinstance(node, yaml.MappingNode) and any(k.value in _HOLD_KEYS for k, _ in node.value if hasattr(k, "value")):
            return self._hold(self.keys(node, _HOLD_KEYS, "other"))
        if isinstance(node, yaml.ScalarNode):
            word = self.word(node, "hand target", ("rest", "same", *TARGETS))
            return word if word in ("rest", "same") else s.Hold(hand=s.one(word))
        return s.Hold(hand=self._place(node, "hand target", tuple(TARGETS), 0.8))

    def _phase(self, node: yaml.Node) -> s.Phase:
        found = self.keys(node, _PHASE_KEYS, "a phase")
        if not found:
            self.fail(node, "an empty phase; expected hand, arm, lean, squat or another key of a phase")
        body = {k: self.range(found[k], k, *limits) for k, limits in {**s.TRUNK, **s.LEGS}.items() if k in found}
        for key in ("shake", "circle"):
            if key in found and "arm" in found:
                self.fail(found[key], f"{key} is in metres around a hand's target; with arm, use twist or more phases")
        amounts = {"shake": (0.0, 0.4), "circle": (0.0, 0.4), "twist": (0.0, 90.0)}
        still = s.Range(0.0, 0.0)
        shaken = {k: self.range(found[k], k, *limits) if k in found else still for k, limits in amounts.items()}
        shake = s.Shake(
            shaken["shake"],
            shaken["circle"],
            shaken["twist"],
            self.words(found["along"], "along", s.ALONG) if "along" in found else s.one("up"),
            self.words(found["plane"], "plane", s.PLANES) if "plane" in found else s.one("level"),
        )
        return s.Phase(
            hold_at=self._hold(found),
            share=self.range(found["share"], "share", 0.01, 1.0) if "share" in found else None,
            hold=self.range(found["hold"], "hold", 0.0, 0.95) if "hold" in found else s.Range(0.0, 0.0),
            shake=shake,
            every_s=self.range(found["every_s"], "every_s", 0.08, 20.0) if "every_s" in found else None,
            other=self._other(found["other"]) if "other" in found else None,
            body=body,
        )

    def _phases(self, node: yaml.Node) -> tuple[s.Phase, ...]:
        nodes = self.items(node, "phases")
        phases = tuple(self._phase(item) for item in nodes)
        kinds = [("arm" if p.hold_at.arm is not None else "hand" if p.hold_at.hand is not None else None) for p in phases]
        for item, kind in zip(nodes, kinds, strict=True):
            if kind != kinds[0]:
                names = {"arm": "arm", "hand": "hand", None: "neither hand nor arm"}
                self.fail(item, f"this phase has {names[kind]}, the first one {names[kinds[0]]}; all phases must agree")
        if sum(p.hold.low for p in phases) > 0.95:
            self.fail(node, "the holds of the phases take over 0.95 of a repetition, which leaves no time to move")
        return phases

    def _sketch(self, node: yaml.Node) -> s.Sketch:
        found = self.keys(node, _KEYS, "a sketch")
        kind, allowed = "a sketch", tuple(_PART_KEYS)
        if "sequence" in found:
            kind, allowed = "a sequence", _SEQUENCE_KEYS
        elif "from" in found or "to" in found:
            kind, allowed = "a transition (from, to)", _TRANSITION_KEYS
        for key, _ in node.value:
            if key.value not in allowed:
                self.fail(key, f"{kind} takes no '{key.value}'; expected {', '.join(allowed)}")
        for key in ("label", "sentences", *(("from", "to") if kind.startswith("a transition") else ())):
            if key not in found:
                self.fail(node, f"{kind} without {key}")
        return s.Sketch(**{_FIELDS.get(key, key): self._value(key, value) for key, value in found.items()})

    def _value(self, key: str, node: yaml.Node) -> Any:
        if key in _RANGES:
            return self.range(node, key, *_RANGES[key])
        if key in ("sentences", "also"):
            texts = self.texts(node, key)
            for text in texts if key == "sentences" else ():
                if re.search(r"[{}]", text.replace("{side}", "")):
                    self.fail(node, f"the sentence '{one_line(text, 60)}' has braces; only {{side}} is filled in")
            return texts
        if key == "label":
            return self.text(node, key)
        if key == "weight":
            return self.number(node, key, 0.0, 1e6)
        if key in ("from", "to"):
            name = self.text(node, key)
            self._named.append((node, name, True))
            return name
        if key == "other":
            return self._other(node)
        if key == "phases":
            return self._phases(node)
        if key == "sequence":
            return tuple(self._step(item) for item in self.items(node, "parts"))
        return self.words(node, key, {"posture": s.POSTURES, "hand": s.HANDS, "both": s.BOTH}[key])

    def _step(self, node: yaml.Node) -> s.Step:
        found: dict[str, yaml.Node] = {"sketch": node}
        seconds = None
        if not isinstance(node, yaml.ScalarNode):
            found = self.keys(node, ("sketch", "seconds"), "a part of a sequence")
            if "sketch" not in found:
                self.fail(node, "a part of a sequence without sketch; expected {sketch: label, seconds: [low, high]}")
            seconds = self.range(found["seconds"], "seconds", *_ANY_SECONDS) if "seconds" in found else None
        label = self.text(found["sketch"], "sketch")
        self._named.append((found["sketch"], label, False))
        return s.Step(label, seconds)


_FIELDS = {"from": "start", "to": "stop", "sequence": "steps"}
_RANGES = {
    "tempo_s": (0.1, 120.0), "pause_s": (0.0, 60.0), "repetitions": (1.0, 1000.0), "seconds": _ANY_SECONDS,
    "amplitude": (0.1, 2.0), "cycle_s": (0.2, 10.0), "swing": (0.0, 80.0), "stride": (0.0, 60.0), "heading": (0.0, 1080.0),
    "lean": (0.0, 80.0),
}  # fmt: skip
