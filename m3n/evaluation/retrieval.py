"""How well the modalities' embeddings agree: retrieval, alignment and uniformity.

Recall at k and the mean reciprocal rank look at the first relevant item of a ranking; a query may have several (windows of one
clip, sentences of one label), and items may tie (identical windows). Both are therefore expected values over the order of tied
items. Chance is the same formula with all items tied: the hypergeometric probability that one of k drawn items is relevant.
"""

from __future__ import annotations

import numpy as np

KS = (1, 5, 10)
SAME = 6  # decimals of a cosine: two runs of one window through a network differ by about 1e-7


def retrieval(similarity_qm: np.ndarray, relevant_qm: np.ndarray) -> dict[str, float]:
    """`r1`, `r5`, `r10` and `mrr` of queries against items, `chance_r1`, … of a random ranking, and the numbers of both.

    similarity_qm (queries, items); relevant_qm bool: which items count as hits. Queries without a relevant item are left out.
    """
    asked = relevant_qm.any(axis=1)
    relevant_qm, similarity_qm = relevant_qm[asked], np.round(similarity_qm[asked], SAME)
    queries, items = relevant_qm.shape
    if not queries:
        return {"queries": 0.0, "items": float(items)}
    best_q1 = np.where(relevant_qm, similarity_qm, -np.inf).max(axis=1, keepdims=True)
    above = (similarity_qm > best_q1).sum(axis=1)
    tied = similarity_qm == best_q1
    found = _mean(above, tied.sum(axis=1), (tied & relevant_qm).sum(axis=1))
    chance = _mean(np.zeros(queries, int), np.full(queries, items), relevant_qm.sum(axis=1))
    counts = {"queries": float(queries), "items": float(items)}
    return {**found, **{f"chance_{name}": value for name, value in chance.items()}, **counts}


def _mean(above: np.ndarray, tied: np.ndarray, relevant: np.ndarray) -> dict[str, float]:
    """Mean over queries of `expected`."""
    cases, counts = np.unique(np.stack([above, tied, relevant], axis=1), axis=0, return_counts=True)
    values = np.average([expected(*case) for case in cases.tolist()], axis=0, weights=counts)
    return dict(zip([*(f"r{k}" for k in KS), "mrr"], values.tolist(), strict=True))


def expected(above: int, tied: int, relevant: int) -> tuple[float, ...]:
    """Probabilities of a hit within k = 1, 5, 10, then the mean reciprocal rank, of a query's first relevant item.

    `above` irrelevant items rank before a group of `tied` items in random order, `relevant` of them hits. The first hit comes
    later than place j of the group with probability prod_{i<j} (tied - relevant - i) / (tied - i), drawing without replacement.
    """
    drawn = np.arange(tied - relevant)
    later = np.concatenate([[1.0], np.cumprod((tied - relevant - drawn) / (tied - drawn)), [0.0]])
    at_place = later[:-1] - later[1:]  # probability that the first hit is at place 1, 2, … of the group
    ranks = above + 1 + np.arange(len(at_place))
    return *(float(at_place[ranks <= k].sum()) for k in KS), float((at_place / ranks).sum())


def text_relevance(text_n: np.ndarray, label_n: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(sentences (s,), relevant_sn): the sentences that occur, and the windows that share a sentence's words or a label with it.

    text_n, label_n: numbers of the windows' sentences and labels; -1 for none, which shares nothing.
    """
    sentences = np.unique(text_n[text_n >= 0])
    same_text_sn = text_n[None] == sentences[:, None]
    labels = np.unique(label_n[label_n >= 0])
    has_label_ln = label_n[None] == labels[:, None]
    sentence_has_label_sl = same_text_sn.astype(int) @ has_label_ln.T.astype(int) > 0
    return sentences, same_text_sn | (sentence_has_label_sl.astype(int) @ has_label_ln.astype(int) > 0)


def alignment(a_ne: np.ndarray, b_ne: np.ndarray) -> tuple[float, float]:
    """Mean squared distance of pairs of unit vectors (Wang and Isola 2020, alpha = 2), and of all n² pairings: chance."""
    paired = float(np.square(a_ne - b_ne).sum(axis=1).mean())
    return paired, float(2 - 2 * a_ne.mean(axis=0) @ b_ne.mean(axis=0))


def uniformity(x_ne: np.ndarray) -> float:
    """log of the mean of exp(-2 |x - y|²) over pairs of different unit vectors (Wang and Isola 2020, t = 2); NaN of fewer than two.

    0 where all are one point; the less, the more evenly they cover the sphere.
    """
    if len(x_ne) < 2:
        return float("nan")
    cosine = (x_ne @ x_ne.T)[np.triu_indices(len(x_ne), k=1)]
    return float(np.log(np.exp(-4 * (1 - cosine.astype(np.float64))).mean()))
