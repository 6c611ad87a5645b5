"""Retrieval with ties against every order of the items, chance against draws, alignment and uniformity as defined."""

from __future__ import annotations

from itertools import combinations, pairwise, permutations
from math import comb

import numpy as np
import pytest

from m3n.evaluation.retrieval import alignment, expected, retrieval, text_relevance, uniformity

RNG = np.random.default_rng(0)


def unit(*shape: int) -> np.ndarray:
    x = RNG.standard_normal(shape)
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


def over_all_orders(similarity: np.ndarray, relevant: np.ndarray) -> dict[str, float]:
    """Figures of one query, averaged over every order of its items that sorts by similarity."""
    ranks = []
    for order in permutations(range(len(similarity))):
        if all(similarity[a] >= similarity[b] for a, b in pairwise(order)):
            ranks.append(1 + next(place for place, item in enumerate(order) if relevant[item]))
    figures = {f"r{k}": float(np.mean([rank <= k for rank in ranks])) for k in (1, 5, 10)}
    return figures | {"mrr": float(np.mean([1 / rank for rank in ranks]))}


@pytest.mark.parametrize("levels", [1, 2, 3, 100])
def test_ties_count_what_every_order_of_the_tied_items_gives_on_average(levels):
    similarity = RNG.integers(0, levels, (6, 7)) / 100
    relevant = RNG.random((6, 7)) < 0.35
    relevant[:, 0] = True
    found = retrieval(similarity, relevant)
    brute = [over_all_orders(s, r) for s, r in zip(similarity, relevant, strict=True)]
    for name in ("r1", "r5", "r10", "mrr"):
        assert found[name] == pytest.approx(np.mean([b[name] for b in brute]))


def test_chance_is_the_hypergeometric_probability_of_a_hit_among_k_drawn():
    items, hits = 40, 3
    r1, r5, r10, _ = expected(0, items, hits)
    for k, value in ((1, r1), (5, r5), (10, r10)):
        assert value == pytest.approx(1 - comb(items - hits, k) / comb(items, k))


def test_chance_is_what_random_rankings_get():
    relevant = np.arange(60)[:, None] % 20 == np.arange(50)[None] % 20
    stated = retrieval(np.zeros((60, 50)), relevant)
    drawn = [retrieval(RNG.random((60, 50)), relevant) for _ in range(400)]
    for name in ("r1", "r5", "r10", "mrr"):
        values = [d[name] for d in drawn]
        assert np.mean(values) == pytest.approx(stated[f"chance_{name}"], abs=4 * np.std(values) / np.sqrt(len(values)))
        assert stated[name] == pytest.approx(stated[f"chance_{name}"])  # where all is alike, the ranking is random


def test_perfect_embeddings_find_their_own_at_rank_one():
    x = unit(50, 16)
    found = retrieval(x @ x.T, np.eye(50, dtype=bool))
    assert (found["r1"], found["mrr"]) == (1, 1)
    assert found["chance_r1"] == pytest.approx(1 / 50)
    assert found["chance_mrr"] == pytest.approx(np.mean(1 / np.arange(1, 51)))  # the first rank is uniform


def test_shuffled_embeddings_find_no_more_than_chance():
    x, clip = unit(400, 16), np.repeat(np.arange(100), 4)
    found = retrieval(x @ x[RNG.permutation(400)].T, clip[:, None] == clip[None])
    spread = np.sqrt(found["chance_r10"] * (1 - found["chance_r10"]) / 400)
    assert found["r10"] == pytest.approx(found["chance_r10"], abs=4 * spread)


def test_windows_that_are_alike_up_to_rounding_tie():
    similarity = np.array([[0.5, 0.5 + 1e-8, 0.1]])
    assert retrieval(similarity, np.array([[True, False, False]]))["r1"] == pytest.approx(0.5)


def test_a_query_with_nothing_to_find_is_left_out():
    found = retrieval(np.eye(3), np.array([[1, 0, 0], [0, 1, 0], [0, 0, 0]], bool))
    assert (found["queries"], found["items"], found["r1"]) == (2, 3, 1)
    assert retrieval(np.eye(2), np.zeros((2, 2), bool)) == {"queries": 0, "items": 2}


def test_a_sentence_is_about_windows_with_its_words_or_its_label():
    #            waves   waves   a greeting   no label   no sentence   nothing
    text, label = np.array([7, 7, 2, 5, -1, -1]), np.array([0, 0, 0, -1, 0, -1])
    sentences, relevant = text_relevance(text, label)
    assert sentences.tolist() == [2, 5, 7]
    assert relevant.tolist() == [[1, 1, 1, 0, 1, 0], [0, 0, 0, 1, 0, 0], [1, 1, 1, 0, 1, 0]]


def test_alignment_is_the_mean_squared_distance_and_its_chance_that_of_all_pairings():
    a, b = unit(30, 8), unit(30, 8)
    paired, chance = alignment(a, b)
    assert paired == pytest.approx(np.mean([np.sum((x - y) ** 2) for x, y in zip(a, b, strict=True)]))
    assert chance == pytest.approx(np.mean([np.sum((x - y) ** 2) for x in a for y in b]))
    assert alignment(a, a)[0] == pytest.approx(0)


def test_uniformity_is_the_log_mean_gaussian_potential_of_different_pairs():
    x = unit(25, 8)
    pairs = [np.exp(-2 * np.sum((a - b) ** 2)) for a, b in combinations(x, 2)]
    assert uniformity(x) == pytest.approx(np.log(np.mean(pairs)))
    assert uniformity(np.repeat(x[:1], 5, axis=0)) == pytest.approx(0)
    assert np.isnan(uniformity(x[:1]))
