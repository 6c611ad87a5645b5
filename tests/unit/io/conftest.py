"""Every place that a user may name: a folder on a disk, and one on an object store."""

from __future__ import annotations

from pathlib import Path

import pytest

from m3n.io import storage


@pytest.fixture(params=["disk", "store"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> storage.Location:
    """A folder that holds nothing yet."""
    if request.param == "disk":
        return tmp_path
    return storage.location(request.getfixturevalue("bucket"))
