"""What all configs share: ranges of values, names out of a table, and sections that refuse keys they do not know."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator
from pydantic_core import CoreSchema, core_schema

from m3n.config.renamed import todays
from m3n.schema import check_placement_names, check_placements

Weight = Annotated[float, Field(ge=0)]
Positive = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(ge=0, lt=1)]


def _known(placements: list[str]) -> list[str]:
    check_placements(placements)
    return placements


def _named(placements: list[str]) -> list[str]:
    check_placement_names(placements)
    return placements


Placements = Annotated[list[str], AfterValidator(_known)]
AnyPlacements = Annotated[list[str], AfterValidator(_named)]  # those that users have defined too


class OneOf:
    """Of an annotation: the text must be a name of a table, as a Literal of its names would say."""

    def __init__(self, table: Iterable[str]) -> None:
        self.names = list(table)

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> CoreSchema:
        return core_schema.literal_schema(self.names)


def choices(table: dict[str, Any]) -> str:
    """ "name: help" of every entry, for a description."""
    return "; ".join(f"{name}: {entry if isinstance(entry, str) else entry.help}" for name, entry in table.items())


class Options(BaseModel):
    """Base of every config: unknown keys are refused, old names are mapped, and values cannot be changed after the check."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _over_own_defaults(cls, values: Any) -> Any:
        """A section that is given in part keeps the defaults of this config, not those of the section's class, for the rest."""
        if not isinstance(values, dict):
            return values
        values = todays(cls, values)
        sections = {name: field.default for name, field in cls.model_fields.items() if isinstance(field.default, Options)}
        return values | {
            name: overlay(default.model_dump(exclude_unset=True), values[name])
            for name, default in sections.items()
            if isinstance(values.get(name), dict)
        }


def overlay(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    """Nested values with others on top: dicts are merged key by key, anything else is replaced."""
    both = {
        key: overlay(below[key], above[key])
        for key in above
        if isinstance(below.get(key), dict) and isinstance(above[key], dict)
    }
    return below | above | both


def as_names(value: Any) -> Any:
    """Subjects as text: many datasets call them 1, 2, 3, which YAML reads as numbers."""
    return [str(v) for v in value] if isinstance(value, list) else value
