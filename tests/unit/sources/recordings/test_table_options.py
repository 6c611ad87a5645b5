"""Settings that cannot be meant are refused before a file is opened."""

from __future__ import annotations

from typing import Any

import pytest

from m3n import config
from m3n.commands.ingest import options_of
from m3n.errors import InputError


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("acc_scale=0", "a scale of 0 makes every sample 0"), ("timezone=Berlin", "expected a name like Europe/Berlin"),
        ("placement=wrist", "unknown placement 'wrist'"), ("columns.head=[a,b]", "names 2 columns, expected 3"),
        ("path={who}/*.csv", "'{who}' is unknown"), ("skip_rows=-1", "skip_rows"), ("axes.right_wrist=[x,y]", "names 2 axes"),
        ("axes.wrist=[x,y,z]", "unknown placement 'wrist'"),
    ],
)  # fmt: skip
def test_a_setting_is_named(override: str, said: str) -> None:
    with pytest.raises(InputError) as caught:
        config.resolve(options_of("recordings"), "ingest", None, [override])
    assert said in str(caught.value)


def test_patterns_and_names_are_read_as_they_are_typed() -> None:
    typed = [
        "path={subject}/{session}_{label}.csv",
        "axes.right_wrist=[-x,-y,z]",
        "subject_column=null",
        "names=[time,ax,ay,az]",
    ]
    options: Any = config.resolve(options_of("recordings"), "ingest", None, typed)
    assert options.path == "{subject}/{session}_{label}.csv"
    assert options.axes == {"right_wrist": ["-x", "-y", "z"]}
    assert options.subject_column is None
    assert options.names == ["time", "ax", "ay", "az"]
