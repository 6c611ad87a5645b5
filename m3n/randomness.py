"""Random generators that are named after their purpose.

Every draw depends on (seed, names such as a clip id, purpose), never on a shared stream, so that a clip gets the same numbers
with any number of workers, shards and restarts.
"""

from __future__ import annotations

import hashlib

import numpy as np


def generator(seed: int, *names: str | int) -> np.random.Generator:
    """A generator that depends on the seed and the names only."""
    digest = hashlib.sha256("\x1f".join([str(seed), *map(str, names)]).encode()).digest()
    return np.random.Generator(np.random.PCG64(int.from_bytes(digest[:16], "little")))
