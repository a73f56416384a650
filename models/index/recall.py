"""How much of the exact answer an index finds."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from models.index.arrays import Found, Vectors
from models.seeds import generator

K = 100
_ROWS_AT_A_TIME = 1 << 16
_CLOSE = 1e-5
"""Of a score: two sums of the same products may differ by so much."""


def sample_queries(vectors: Vectors, queries: Vectors | None, num_queries: int, seed: int) -> Vectors:
    """Up to `num_queries` of `queries`, or of the item vectors where there are none; zero vectors say nothing."""
    told = np.zeros(0, np.int64) if queries is None else np.flatnonzero(queries.any(axis=1))
    pool = vectors if queries is None or not len(told) else queries[told]
    rows = generator(seed, "index", "queries").permutation(len(pool))[:num_queries]
    return np.ascontiguousarray(pool[np.sort(rows)], np.float32)


def exact_last(queries: Vectors, vectors: Vectors, k: int) -> NDArray[np.float32]:
    """The score of the exact `k`-th best for each query, [num_queries], by comparing all."""
    best = np.full((len(queries), k), -np.inf, np.float32)
    for start in range(0, len(vectors), _ROWS_AT_A_TIME):
        scores = np.concatenate([best, queries @ vectors[start : start + _ROWS_AT_A_TIME].T], axis=1)
        best = np.partition(scores, scores.shape[1] - k, axis=1)[:, -k:]
    return np.asarray(best.min(axis=1), np.float32)


def recall(
    search: Callable[[Vectors, int], Found], queries: Vectors, vectors: Vectors, last: NDArray[np.float32], k: int
) -> float:
    """Mean share of the `k` found whose true score reaches `last` (`exact_last`): equals stand for each other."""
    rows, _ = search(queries, k)
    hits = 0
    for query, line, least in zip(queries, rows, last, strict=True):
        scores = vectors[line[line >= 0]] @ query
        hits += int((scores >= least - _CLOSE * np.abs(least)).sum())
    return hits / max(len(queries) * k, 1)
