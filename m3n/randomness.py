"""Random generators named by what they are for.

Every draw comes from (seed, names such as a clip id, purpose), never from a shared stream, so that the same clip gets the same
numbers whatever the number of workers, shards or restarts.
"""

from __future__ import annotations

import hashlib

import numpy as np


def generator(seed: int, *names: str | int) -> np.random.Generator:
    """A generator that depends on the seed and the names alone."""
    digest = hashlib.sha256("\x1f".join([str(seed), *map(str, names)]).encode()).digest()
    return np.random.Generator(np.random.PCG64(int.from_bytes(digest[:16], "little")))
