"""Settings that had another name in an earlier version: they still load, each with one warning line.

Two tables, by the config class that holds the setting. Every place that reads settings from outside (a YAML file, an override, a
checkpoint, the plan of an earlier run) goes through `todays`, or through the check of `m3n.config.base.Options`, which calls it.
"""

from __future__ import annotations

import logging
import typing
from typing import Any

from pydantic import BaseModel

from m3n.errors import InputError

log = logging.getLogger(__name__)

# config class -> old key -> key
KEYS: dict[str, dict[str, str]] = {
    "AugmentConfig": {"mask_signal": "signal_dropout", "slow": "low_rate", "drop": "placement_dropout"},
}
# config class -> key -> old value -> value
VALUES: dict[str, dict[str, dict[str, Any]]] = {
    "FinetuneConfig": {"freeze": {"none": "not_frozen", "all": "frozen"}},
}


def todays(schema: type[BaseModel], values: Any, prefix: str = "") -> Any:
    """Nested values with today's names; a line is logged for each that had an old one. InputError where both names are given."""
    if not isinstance(values, dict):
        return values
    found: dict[Any, Any] = {}
    for key, value in values.items():
        name = _key(schema, key)
        if name != key:
            if name in values:
                raise InputError(f"{prefix}{key} is the old name of {prefix}{name}, and both are given: remove {prefix}{key}")
            log.warning("%s%s is now called %s%s: please rename it", prefix, key, prefix, name)
        field = schema.model_fields.get(name)
        part = part_of(field.annotation) if field else None
        if part is not None:
            found[name] = todays(part, value, f"{prefix}{name}.")
        else:
            found[name] = _value(schema, name, value)
            if found[name] is not value:
                log.warning("%s%s=%s is now written %s%s=%s: please rename it", prefix, name, value, prefix, name, found[name])
    return found


def _key(schema: type[BaseModel], key: Any) -> Any:
    return KEYS.get(schema.__name__, {}).get(key, key)


def _value(schema: type[BaseModel], key: str, value: Any) -> Any:
    values = VALUES.get(schema.__name__, {}).get(key, {})
    return values.get(value, value) if isinstance(value, str) else value


def part_of(annotation: Any) -> type[BaseModel] | None:
    """The config class of a field that holds a section, or may hold one."""
    options = (annotation, *typing.get_args(annotation)) if typing.get_origin(annotation) is not dict else ()
    return next((a for a in options if isinstance(a, type) and issubclass(a, BaseModel)), None)
