"""Comparing one by one: exact, and the quickest where there is little to compare."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from models.candidates import top
from models.index.arrays import Found, Vectors
from models.index.selection import Mask
from models.vocabulary import Rows

_MAX_SCORES = 1 << 22
"""At once, so that memory stays small however many queries there are."""


def scan(
    queries: Vectors,
    vectors: Vectors,
    k: int,
    barred: Sequence[Rows],
    rows: Rows | None = None,
    closed: Mask | None = None,
) -> Found:
    """The best `k` of [num_vectors, dim] for each query, [num_queries, k].

    `rows`: ascending, the row of each vector; None: their places. `closed`: [num_vectors] that no query may find.
    """
    found = np.empty((len(queries), min(k, len(vectors))), np.int64)
    best = np.empty(found.shape, np.float32)
    step = max(_MAX_SCORES // max(len(vectors), 1), 1)
    for start in range(0, len(queries), step):
        part = slice(start, start + step)
        scores = queries[part] @ vectors.T
        shut_out(scores, barred[part], rows, closed)
        found[part], best[part] = top(scores, k)
    return told(found if rows is None else rows[found], best, k)


def shut_out(
    scores: NDArray[np.float32], barred: Sequence[Rows], rows: Rows | None = None, closed: Mask | None = None
) -> None:
    """Set [num_queries, num_columns] scores of what must not be found to -inf. `rows`, `closed`: as for `scan`."""
    if closed is not None:
        np.copyto(scores, -np.inf, where=closed)
    owner = np.repeat(np.arange(len(barred)), [len(bar) for bar in barred])
    if not len(owner) or not scores.shape[1]:
        return
    columns = np.concatenate(barred)
    if rows is None:
        known = (columns >= 0) & (columns < scores.shape[1])
    else:
        at = np.minimum(np.searchsorted(rows, columns), len(rows) - 1)
        known, columns = rows[at] == columns, at
    scores[owner[known], columns[known]] = -np.inf


def told(rows: NDArray[np.int64], scores: NDArray[np.float32], k: int) -> Found:
    """The same with row -1 and score 0 in place of what must not be found (-inf), and up to `k` columns."""
    none = np.isneginf(scores)
    if none.any():
        rows, scores = np.where(none, -1, rows), np.where(none, np.float32(0), scores)
    if (missing := k - rows.shape[1]) > 0:
        rows = np.pad(rows, ((0, 0), (0, missing)), constant_values=-1)
        scores = np.pad(scores, ((0, 0), (0, missing)))
    return rows, scores


def merged(one: Found, other: Found, k: int) -> Found:
    """The best `k` of two answers to the same queries, best first; of equals those of `one`."""
    rows = np.concatenate([one[0], other[0]], axis=1)
    scores = np.where(rows < 0, -np.inf, np.concatenate([one[1], other[1]], axis=1)).astype(np.float32)
    order = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    return told(np.take_along_axis(rows, order, axis=1), np.take_along_axis(scores, order, axis=1), k)
