"""From a YAML file and `key=value` overrides to a checked config, and from a config to its help.

YAML values are laid over each other, later ones on top, and pydantic checks the result. An error is one line that names the key,
and the nearest known key where it is unknown. `--help` is made from the descriptions of the fields.
"""

from __future__ import annotations

import copy
import hashlib
import json
import re
import types
import typing
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import ValidationError

from m3n import packaged
from m3n.config.base import Options, overlay
from m3n.config.evaluate import EvaluateConfig
from m3n.config.fidelity import FidelityConfig
from m3n.config.finetune import FinetuneConfig
from m3n.config.ingest import IngestConfig
from m3n.config.mounting import MountingConfig
from m3n.config.predict import PredictConfig
from m3n.config.pretrain import PretrainConfig
from m3n.config.renamed import todays
from m3n.config.reproduce import ReproduceConfig
from m3n.config.simulate import SimulateConfig
from m3n.config.strangers import StrangersConfig
from m3n.config.tune import TuneConfig
from m3n.config.view import ViewConfig
from m3n.errors import InputError, nearest
from m3n.untrusted.yaml_mapping import UniqueKeys

STAGES: dict[str, type[Options]] = {
    "ingest": IngestConfig,
    "simulate": SimulateConfig,
    "pretrain": PretrainConfig,
    "finetune": FinetuneConfig,
    "evaluate": EvaluateConfig,
    "predict": PredictConfig,
    "tune": TuneConfig,
    "reproduce": ReproduceConfig,
    "strangers": StrangersConfig,
    "fidelity": FidelityConfig,
    "mounting": MountingConfig,
    "view": ViewConfig,
}

C = TypeVar("C", bound=Options)
NAME = "<name>"  # in a key: a name that the user chooses


def resolve(
    schema: type[C], stage: str, file: Path | None = None, overrides: Iterable[str] = (), base: Path | None = None
) -> C:
    """The checked config of one stage: defaults, then the stage's section of `base` and of `file`, then `key=value` overrides.

    `file`: a path, or the name of a preset in `configs/`.

    Raises InputError for an unreadable file, an unknown section or key, a value of the wrong type or range, and a key that two
    overrides set.
    """
    if file is not None:
        file = packaged.find(file, "configs", ".yaml", "config file")
    values: dict[str, Any] = {}
    for given in (base, file):
        values = overlay(values, todays(schema, _section(given, stage))) if given else values
    said: dict[str, str] = {}  # key -> override
    for override in overrides:
        key, equals, text = override.partition("=")
        if not equals or not key.strip():
            raise InputError(f"'{override}' is not an override: expected key=value, as in seed=1 or optim.lr=0.001")
        try:
            as_it_stands = _PATTERN.search(text) or _AS_IT_STANDS.match(text) or (_is_text(schema, key) and _is_plain(text))
            value = text.strip() if as_it_stands else _parsed(text)
        except Exception as error:  # YAML's own types, such as !!int of nothing, fail in any way at all
            raise InputError(f"cannot read the override '{override}': {_first_line(error)}") from None
        for part in reversed(key.split(".")):
            value = {part: value}
        value = todays(schema, value)
        names = list(_settings(value))
        for name in names:
            earlier = next((one for one in said if f"{one}.".startswith(f"{name}.") or f"{name}.".startswith(f"{one}.")), None)
            if earlier is not None:
                raise InputError(f"{name} is given twice, as '{said[earlier]}' and as '{override}': remove one of the two")
        said |= dict.fromkeys(names, override)
        values = overlay(values, value)
    return check(schema, values, file)


def _settings(value: Any, prefix: str = "") -> Iterator[str]:
    """The dotted keys that nested values set."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _settings(inner, f"{prefix}.{key}" if prefix else str(key))
    else:
        yield prefix


def _is_text(schema: type[Options], key: str) -> bool:
    """Whether a dotted key holds text and nothing else: its value is taken as it is written, as in subject=007 and label=no."""
    *sections, last = key.split(".")
    part: Any = schema
    for name in sections:
        field = part.model_fields.get(name)
        part = _nested(field.annotation) if field else None
        if part is None:
            return False
    field = part.model_fields.get(last)
    return field is not None and field.annotation in (str, str | None)


def _is_plain(text: str) -> bool:
    """Whether text is neither quoted, nor a list or mapping, nor YAML's word for nothing."""
    return text.strip() not in ("", "~", "null", "Null", "NULL") and text.strip()[0] not in "'\"[{&!"


_PATTERN = re.compile(r"\{\w+\}")  # path={subject}/*.csv, which YAML would take for a mapping
_AS_IT_STANDS = re.compile(r"[*%]|@")  # path=*/a.csv and time_format=%d/%m/%Y, with which no YAML text can begin or goes on


def check(schema: type[C], values: Any, file: Path | None = None) -> C:
    """A config from nested values; InputError that names the first key that is wrong."""
    try:
        return schema.model_validate(values)
    except ValidationError as error:
        raise InputError(_explain(error, schema, file)) from None


def updated(values: Mapping[str, Any], settings: Mapping[str, Any]) -> dict[str, Any]:
    """Nested values with settings (dotted key -> value) on top; `values` stay as they are."""
    result = copy.deepcopy(dict(values))
    for key, value in settings.items():
        *parents, last = key.split(".")
        inner = result
        for parent in parents:
            inner[parent] = inner.get(parent) or {}
            inner = inner[parent]
        inner[last] = value
    return result


def _section(file: Path, stage: str) -> dict[str, Any]:
    try:
        content = _parsed(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"cannot read the config file {file}: {reason}") from None
    except RecursionError:
        raise InputError(f"{file} is not valid YAML: it is nested too deeply") from None
    except Exception as error:  # YAML's own types, such as !!int of nothing, fail in any way at all
        raise InputError(f"{file} is not valid YAML: {error}") from None
    content = {} if content is None else content
    if not isinstance(content, dict):
        raise InputError(f"{file}: expected one section per stage ({', '.join(STAGES)}), found a {type(content).__name__}")
    for name, section in content.items():
        if name not in STAGES:
            raise InputError(f"{file}: unknown section '{name}'{nearest(str(name), STAGES)}; expected {', '.join(STAGES)}")
        if not isinstance(section, dict | None):
            raise InputError(f"{file}: section '{name}' must hold key: value pairs")
    if stage == "tune":  # a sweep starts from the sections of its stages
        return {name: content[name] for name in ("pretrain", "finetune") if content.get(name)} | (content.get("tune") or {})
    return content.get(stage) or {}


class _Loader(UniqueKeys):
    """Plain YAML with three changes: 1e-3 is a number, a date stays text, and a key given twice is an error."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"[-+]?\d[\d_]*(\.[\d_]*)?[eE][-+]?\d+$"), list("-+0123456789")
)


def _parsed(text: str) -> Any:
    """The value of a YAML text; raises whatever YAML raises, and ValueError for one that is too large."""
    value = yaml.load(text, _Loader)
    if _size(value) > _LARGEST:
        raise ValueError(f"it holds over {_LARGEST} values, or refers to itself")
    return value


_LARGEST = 10_000  # values of a config, counted again wherever a YAML alias repeats them


def _size(value: Any, depth: int = 0) -> int:
    """Values in nested YAML; counting stops soon after `_LARGEST`, which a level deeper than 50 counts as."""
    if depth > 50:
        return _LARGEST + 1
    total = 1
    for held in value.values() if isinstance(value, dict) else value if isinstance(value, list | set) else ():
        total += _size(held, depth + 1)
        if total > _LARGEST:
            break
    return total


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__


def _explain(error: ValidationError, schema: type[Options], file: Path | None) -> str:
    first = error.errors()[0]
    path = [str(part) for part in first["loc"]]
    known = [_spelled(key, path) for key in keys(schema)]
    where = f" (in {file} or the overrides)" if file else ""
    if first["type"] in ("extra_forbidden", "invalid_key"):
        return f"unknown config key '{'.'.join(path)}'{nearest('.'.join(path), known)}{where}"
    if first["type"] == "missing":
        return f"config key '{'.'.join(path)}' is missing: {first['msg'].lower()}{where}"
    key = _known_part(path, known)
    message = first["msg"].removeprefix("Value error, ")
    if first["type"] in ("value_error",) or not key:
        return f"{key + ': ' if key else ''}{message}{where}"
    return f"config key '{key}' is {first['input']!r}: {message[0].lower() + message[1:]}{where}"


def _known_part(path: list[str], known: list[str]) -> str:
    """The longest start of an error's location that is a key (unions add their own parts behind it)."""
    starts = {".".join(k.split(".")[:n]) for k in known for n in range(1, k.count(".") + 2)}
    return next((".".join(path[:n]) for n in range(len(path), 0, -1) if ".".join(path[:n]) in starts), "")


def _spelled(key: str, path: list[str]) -> str:
    """A key with the name that a user gave where it says <name>."""
    parts = key.split(".")
    return ".".join(path[i] if part == NAME and i < len(path) else part for i, part in enumerate(parts))


def preset(name: str) -> Path:
    """A file of `configs/`, in a checkout or in an installed package."""
    return packaged.place("configs") / name


def describe(schema: type[Options], prefix: str = "") -> Iterator[tuple[str, str, str]]:
    """(dotted key, default, description) of every setting, in order; a section that may be null, then its keys."""
    for name, field in schema.model_fields.items():
        nested = _nested(field.annotation)
        if nested is None or field.default is None:
            default = "" if field.is_required() else json.dumps(field.get_default(call_default_factory=True), default=str)
            yield f"{prefix}{name}", default, field.description or ""
        if entry := _entry(field.annotation):
            yield from describe(entry, f"{prefix}{name}.{NAME}.")
        if nested is not None:
            for key, default, text in describe(nested, f"{prefix}{name}."):
                value = _dig(field.default, key.removeprefix(f"{prefix}{name}."))
                yield key, default if value is None else json.dumps(value), text


def _nested(annotation: Any) -> type[Options] | None:
    options = typing.get_args(annotation) if isinstance(annotation, types.UnionType) else (annotation,)
    return next((a for a in options if isinstance(a, type) and issubclass(a, Options)), None)


def _entry(annotation: Any) -> type[Options] | None:
    """The options of every entry, where a key holds entries by name."""
    is_mapping = typing.get_origin(annotation) is dict
    return _nested(typing.get_args(annotation)[1]) if is_mapping else None


def _dig(value: Any, key: str) -> Any:
    for part in key.split("."):
        value = getattr(value, part, None)
    return value


def keys(schema: type[Options], prefix: str = "") -> list[str]:
    """Every dotted key of a config, sections that may be null included."""
    found: list[str] = []
    for name, field in schema.model_fields.items():
        nested = _nested(field.annotation)
        found += keys(nested, f"{prefix}{name}.") if nested is not None else [f"{prefix}{name}"]
        if entry := _entry(field.annotation):
            found += keys(entry, f"{prefix}{name}.{NAME}.")
    return found


def flatten(config: Options) -> dict[str, Any]:
    """Dotted key -> value, for MLflow params and manifests."""

    def walk(value: Any, prefix: str) -> Iterator[tuple[str, Any]]:
        if isinstance(value, dict) and value:
            for name, inner in value.items():
                yield from walk(inner, f"{prefix}.{name}" if prefix else name)
        else:
            yield prefix, value

    return dict(walk(config.model_dump(mode="json"), ""))


def sha256(config: Options) -> str:
    """Digest of a config's values, the same wherever they came from."""
    return hashlib.sha256(json.dumps(config.model_dump(mode="json"), sort_keys=True).encode()).hexdigest()
