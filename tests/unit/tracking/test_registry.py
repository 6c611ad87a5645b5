"""Which registered model gets the alias `best`."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from m3n.tracking.registry import _best

HOLDER = {"m3n.data_sha": "d", "metric": "val/macro_f1", "score": "0.8"}


class Registry:
    """The two questions that are put to MLflow's client: who has the alias, and what are the tags of that version."""

    def __init__(self, holder: str | None, tags: dict[str, str]) -> None:
        self.holder, self.tags = holder, tags

    def get_registered_model(self, name: str) -> Any:
        return SimpleNamespace(aliases={"best": self.holder} if self.holder else {})

    def get_model_version(self, name: str, version: str) -> Any:
        return SimpleNamespace(version=version, tags=self.tags)


@pytest.mark.parametrize(
    ("changes", "becomes_best"),
    [
        ({"score": "0.9"}, True),
        ({"score": "0.8"}, True),  # of two equals, the newer
        ({"score": "0.7"}, False),
        ({"score": "0.7", "m3n.data_sha": "other"}, True),  # not comparable: the newer
        ({"score": "0.7", "metric": "test/macro_f1"}, True),
    ],
)
def test_the_alias_moves_unless_a_comparable_model_is_better(changes, becomes_best):
    version = SimpleNamespace(version="2", tags=HOLDER | changes)
    assert _best(Registry("1", HOLDER), version) == becomes_best


def test_the_first_version_is_the_best_and_stays_so_when_registered_again():
    version = SimpleNamespace(version="1", tags=HOLDER)
    assert _best(Registry(None, {}), version)
    assert _best(Registry("1", HOLDER | {"score": "0.9"}), version)
