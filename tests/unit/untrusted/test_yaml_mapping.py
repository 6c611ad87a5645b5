"""A YAML mapping is read, and what is none is named in one line, however deeply it is nested."""

from __future__ import annotations

import pytest

from m3n.errors import InputError
from m3n.untrusted.yaml_mapping import read_mapping


def test_a_mapping_is_read(tmp_path):
    (tmp_path / "a.yaml").write_text("walk: [A person walks.]\n1: x\n")
    assert read_mapping(tmp_path / "a.yaml", "labels") == {"walk": ["A person walks."], 1: "x"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: [\n", "is not valid YAML"),
        ("[" * 5000, "is not valid YAML"),
        ("- 1\n", "expected labels, found a list"),
        (
            "walk: [A person walks.]\nrun: [x]\nwalk: [y]\n",
            "a.yaml is not valid YAML: the key 'walk' is given twice, again in line 3",
        ),
        ("!!int : x\n", "is not valid YAML"),
    ],
)
def test_what_is_no_mapping_is_named(tmp_path, text, message):
    (tmp_path / "a.yaml").write_text(text)
    with pytest.raises(InputError, match=message):
        read_mapping(tmp_path / "a.yaml", "labels")
