"""The tables that a pretraining learns from: synthetic clips and, beside them, real recordings; and how they are mixed.

A table is named by its folder (that above it, if the folder is only called synthetic, poses or recordings), and its rows carry the
name of their source; `mix` and `mounting.unknown` go by either.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from m3n import schema
from m3n.errors import InputError, nearest
from m3n.io import tables
from m3n.io.storage import Location, full_name

PLAIN_NAMES = ("synthetic", "recordings", "poses")


@dataclass(frozen=True)
class Shard:
    """A shard to cut, and the folder for its windows, below that of the store."""

    location: Location
    folder: str
    placements: tuple[str, ...]  # that have a column
    table: str = ""  # name of its table
    recordings: bool = False


@dataclass(frozen=True)
class Corpus:
    """A table to pretrain on."""

    name: str
    table: Location
    shards: tuple[Location, ...]
    placements: tuple[str, ...]  # those that have a column
    recordings: bool  # of real sensors, without poses

    @classmethod
    def open(cls, table: Location, recordings: bool) -> Corpus:
        """The table of a folder; InputError if it is not of the kind."""
        shards = tables.shard_paths(table)
        check = schema.validate_imu_recordings if recordings else schema.validate_synthetic_clips
        placements = [check(tables.read_schema(shard), str(shard)) for shard in shards]
        return cls(_name(table), table, tuple(shards), placements[0], recordings)

    @cached_property
    def sources(self) -> set[str]:
        """The sources of its rows."""
        return {str(source) for shard in self.shards for source in tables.read_column(shard, "source").unique().to_pylist()}


def _name(table: Location) -> str:
    parts = (table.resolve() if isinstance(table, Path) else Path(table.path)).parts
    named = [part.removesuffix(".parquet") for part in parts if part not in PLAIN_NAMES]
    return named[-1] if named else parts[-1]


def shards_of(corpora: Sequence[Corpus]) -> list[Shard]:
    """What to cut, in order; the shards of several tables get a folder for each table."""
    return [
        Shard(location, shard if len(corpora) == 1 else f"{number:02d}-{corpus.name}/{shard}", corpus.placements, corpus.name,
              corpus.recordings)
        for number, corpus in enumerate(corpora)
        for location in corpus.shards
        for shard in [location.name.removesuffix(".parquet")]
    ]  # fmt: skip


def open_corpora(clips: Sequence[Location], recordings: Sequence[Location]) -> list[Corpus]:
    """All tables; InputError if there are no tables, the same one is given twice, or one has the wrong columns."""
    if not clips and not recordings:
        raise InputError("nothing to pretrain on: give a table of synthetic clips, or --recordings")
    given = [full_name(table) for table in (*clips, *recordings)]
    for name in given:
        if given.count(name) > 1:
            raise InputError(f"{name} is given twice: use mix.<name>=2 to draw its windows twice as often")
    return [*(Corpus.open(table, False) for table in clips), *(Corpus.open(table, True) for table in recordings)]


def all_placements(corpora: Sequence[Corpus]) -> tuple[str, ...]:
    """The placements of a network that learns from all of them: those of any table of clips or, without clips, those that were worn
    in any recording."""
    clips = [corpus for corpus in corpora if not corpus.recordings]
    found = {placement for corpus in clips for placement in corpus.placements}
    if not clips:
        found = {
            placement
            for corpus in corpora
            for placement in corpus.placements
            for shard in corpus.shards
            if (column := tables.read_column(shard, schema.imu_column(placement))).null_count < len(column)
        }
    return schema.simulated_placements([schema.imu_column(placement) for placement in found])


@dataclass(frozen=True)
class Mixture:
    """How often the windows of a table or a source are drawn in an epoch, and whose mounting is not known."""

    weights: Mapping[str, float] = field(default_factory=dict)
    unknown_mounting: Collection[str] = ()

    def check(self, corpora: Sequence[Corpus]) -> None:
        """InputError for a name that is neither a table's nor a source's, and where no table is left."""
        for key, names in (("mix", self.weights), ("mounting.unknown", self.unknown_mounting)):
            known = sorted({name for corpus in corpora for name in (corpus.name, *corpus.sources)}) if names else []
            for name in names:
                if name not in known:
                    raise InputError(
                        f"{key}: no table and no source is called '{name}'{nearest(name, known)}; expected some of "
                        f"{', '.join(known)}"
                    )
        if all(self.left_out(corpus) for corpus in corpora):
            raise InputError("mix leaves out every table: give at least one of them a weight above 0")

    def weight(self, table: str, source: str) -> float:
        """The product of the weights of a table and of a source, which are one if they have one name."""
        weight = 1.0
        for name in {table, source}:
            weight *= self.weights.get(name, 1.0)
        return weight

    def unknown(self, table: str, source: str) -> bool:
        """Whether the mounting of a source's sensors in a table is not known."""
        return bool({table, source} & set(self.unknown_mounting))

    def left_out(self, corpus: Corpus) -> bool:
        """Whether no row of a table is used."""
        return bool(self.weights) and all(self.weight(corpus.name, source) == 0 for source in corpus.sources)
