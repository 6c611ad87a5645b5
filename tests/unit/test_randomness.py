"""Draws depend on the seed and the names alone."""

from __future__ import annotations

import hashlib
import subprocess
import sys

import numpy as np
from places import REPOSITORY

from m3n.randomness import generator


def test_the_same_seed_and_names_give_the_same_draws_in_another_process():
    script = "from m3n.randomness import generator; print(generator(3, 'clip-1', 'noise').integers(2**63))"
    done = subprocess.run([sys.executable, "-c", script], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert int(done.stdout) == generator(3, "clip-1", "noise").integers(2**63)


def test_every_part_of_the_name_counts_and_so_does_where_one_ends():
    names = [(0, "ab", "c"), (0, "a", "bc"), (0, "abc"), (0, "c", "ab"), (1, "ab", "c"), (0, "ab", 0)]
    assert len({int(generator(*name).integers(2**63)) for name in names}) == len(names)


def test_a_number_in_a_name_is_its_text():
    assert generator(0, "epoch", 7).integers(2**63) == generator(0, "epoch", "7").integers(2**63)


def test_the_stream_is_that_of_pcg64_seeded_by_sha256():
    """Spelt out, so that no release changes the draws of an earlier one without notice."""
    digest = hashlib.sha256(b"7\x1fclip-1\x1fnoise").digest()
    bits = np.random.PCG64(sum(byte << 8 * i for i, byte in enumerate(digest[:16])))
    np.testing.assert_array_equal(generator(7, "clip-1", "noise").normal(size=5), np.random.Generator(bits).normal(size=5))


def test_draws_of_different_clips_are_not_correlated():
    draws = np.stack([generator(0, f"clip-{i}", "noise").normal(size=1000) for i in range(20)])
    correlation = np.corrcoef(draws) - np.eye(20)
    assert np.abs(correlation).max() < 5 / np.sqrt(1000)  # five standard errors
