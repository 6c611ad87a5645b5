"""YAML whose mistakes have a line and a column: readers of numbers, ranges, words and choices that fail where the mistake is.

Only the nodes of the file are looked at (`yaml.compose` of the safe loader); nothing is constructed from its tags.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import yaml

from m3n.errors import InputError, nearest, one_line
from m3n.motion import sketch as s

T = TypeVar("T")
_LARGEST_BYTES = 2_000_000


class MarkedYaml:
    """A YAML file that is read node by node; every mistake is an InputError with its place."""

    def __init__(self, file: Path) -> None:
        self.name = file.name
        self.root = self._root(file)

    def fail(self, node: yaml.Node, message: str) -> NoReturn:
        """InputError at the place of a node."""
        raise self._error(node.start_mark, message)

    def _error(self, mark: Any, message: str) -> InputError:
        return InputError(f"{self.name} line {mark.line + 1}, column {mark.column + 1}: {message}")

    def _root(self, file: Path) -> yaml.Node:
        try:
            if file.stat().st_size > _LARGEST_BYTES:
                raise InputError(f"{file}: over {_LARGEST_BYTES // 1_000_000} MB; is it a file of sketches?")
            text = file.read_text(encoding="utf-8-sig")
            root = yaml.compose(text, Loader=yaml.SafeLoader)
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"cannot read {file}: {getattr(error, 'strerror', None) or error}") from None
        except yaml.MarkedYAMLError as error:
            mark, problem = error.problem_mark or error.context_mark, error.problem or error.context
            if mark is None:
                raise InputError(f"{file.name} is not valid YAML: {problem}") from None
            raise self._error(mark, f"not valid YAML: {problem}") from None
        except yaml.YAMLError as error:
            raise InputError(f"{file.name} is not valid YAML: {one_line(str(error), 200)}") from None
        except RecursionError:
            raise InputError(f"{file.name} is not valid YAML: it is nested too deeply") from None
        if root is None:
            raise InputError(f"{file.name} is empty; expected a list of sketches: `- label: …` (docs/sketches.md)")
        return root

    def items(self, node: yaml.Node, what: str) -> list[yaml.Node]:
        """The items of a list that is not empty."""
        if not isinstance(node, yaml.SequenceNode):
            self.fail(node, f"expected a list of {what}, found {_kind(node)}")
        if not node.value:
            self.fail(node, f"the list of {what} is empty")
        return list(node.value)

    def keys(self, node: yaml.Node, known: Sequence[str], what: str) -> dict[str, yaml.Node]:
        """The values of a mapping by key, all of them `known`."""
        if not isinstance(node, yaml.MappingNode):
            self.fail(node, f"expected the keys of {what} ({', '.join(known[:5])} …), found {_kind(node)}")
        found: dict[str, yaml.Node] = {}
        for key, value in node.value:
            name = key.value if isinstance(key, yaml.ScalarNode) else _kind(key)
            if name not in known:
                self.fail(key, f"unknown key '{name}' of {what}{nearest(name, known)}; expected {', '.join(known)}")
            if name in found:
                self.fail(key, f"the key '{name}' is given twice")
            found[name] = value
        return found

    def text(self, node: yaml.Node, what: str) -> str:
        """A text that is not empty."""
        if not isinstance(node, yaml.ScalarNode) or node.tag == "tag:yaml.org,2002:null" or not node.value.strip():
            self.fail(node, f"expected text for {what}, found {_kind(node)}")
        return " ".join(str(node.value).split())

    def texts(self, node: yaml.Node, what: str) -> tuple[str, ...]:
        """A text, or a list of them."""
        if isinstance(node, yaml.ScalarNode):
            return (self.text(node, what),)
        return tuple(self.text(item, what) for item in self.items(node, what))

    def number(self, node: yaml.Node, what: str, low: float, high: float) -> float:
        """A number from low to high."""
        text = node.value if isinstance(node, yaml.ScalarNode) else None
        if text is None or not re.fullmatch(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?", text):
            self.fail(node, f"expected a number for {what}, found {_kind(node)}")
        value = float(str(text))
        if not low <= value <= high:
            self.fail(node, f"{what} is {text}, expected from {low:g} to {high:g}")
        return value

    def range(self, node: yaml.Node, what: str, low: float, high: float) -> s.Range:
        """A number, or [low, high]."""
        if not isinstance(node, yaml.SequenceNode):
            value = self.number(node, what, low, high)
            return s.Range(value, value)
        if len(node.value) != 2:
            self.fail(node, f"{what} holds {len(node.value)} values, expected a number or [low, high]")
        first, second = (self.number(item, what, low, high) for item in node.value)
        if first > second:
            self.fail(node, f"{what} runs from {first:g} down to {second:g}; expected [low, high]")
        return s.Range(first, second)

    def word(self, node: yaml.Node, what: str, known: Sequence[str]) -> str:
        """One of the known words."""
        word = self.text(node, what)
        if word not in known:
            self.fail(node, f"unknown {what} '{word}'{nearest(word, known)}; expected {', '.join(known)}")
        return word

    def choice(self, node: yaml.Node, what: str, read: Callable[[yaml.Node], T]) -> s.Choice[T]:
        """A value, a list of them, or a mapping from them to weights."""
        if isinstance(node, yaml.MappingNode):
            pairs = [(read(key), self.number(value, f"the weight of {what}", 0.0, 1e6)) for key, value in node.value]
            if not sum(weight for _, weight in pairs) > 0:
                self.fail(node, f"the weights of {what} sum to 0")
            return s.Choice(tuple(v for v, _ in pairs), tuple(w for _, w in pairs))
        if isinstance(node, yaml.SequenceNode):
            values = tuple(read(item) for item in self.items(node, what))
            return s.Choice(values, (1.0,) * len(values))
        return s.one(read(node))

    def words(self, node: yaml.Node, what: str, known: Sequence[str]) -> s.Choice[str]:
        """One of the known words, or several to choose from."""
        return self.choice(node, what, lambda item: self.word(item, what, known))


def is_number(node: yaml.Node) -> bool:
    """Whether it is a number or [low, high]."""
    return node.tag in ("tag:yaml.org,2002:int", "tag:yaml.org,2002:float") or is_range(node)


def is_range(node: yaml.Node) -> bool:
    """Whether it is [low, high]."""
    return isinstance(node, yaml.SequenceNode) and len(node.value) == 2 and all(_is_plain_number(n) for n in node.value)


def _is_plain_number(node: yaml.Node) -> bool:
    return node.tag in ("tag:yaml.org,2002:int", "tag:yaml.org,2002:float")


def _kind(node: yaml.Node) -> str:
    if isinstance(node, yaml.SequenceNode):
        return "a list"
    if isinstance(node, yaml.MappingNode):
        return "a mapping"
    return "nothing" if node.tag == "tag:yaml.org,2002:null" else f"'{one_line(str(node.value), 40)}'"
