"""Where the tests find the checkout, and the archives of real data that nothing here may copy."""

from __future__ import annotations

import os
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
DATA = Path(os.environ.get("M3N_DATA") or REPOSITORY.parent / "shared" / "data")
