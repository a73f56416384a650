"""The history of a user as a set of items with weights: what retrievers without a net go by."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from models.features import UserBatch
from models.index.arrays import Found
from models.index.selection import Filter
from models.retrievers.vectors import VectorRetriever
from models.vocabulary import Rows


def weighted_items(history: NDArray[np.int32], num_items: int, half_life: float) -> csr_matrix:
    """[batch, num_items] weights of history items, a repeated item by its newest event.

    The newest event weighs 1, and the weight halves every `half_life` events before it; 0: all weigh 1.
    """
    known = history >= 0
    owner, at = np.nonzero(known)
    age = history.shape[1] - 1 - at
    weights = np.exp2(-age / half_life) if half_life else np.ones(len(age))
    # Ascending in (user, item, weight), the last of each user's item is its newest.
    order = np.lexsort((weights, history[known], owner))
    owner, items, weights = owner[order], history[known][order], weights[order]
    newest = np.ones(len(items), np.bool_)
    newest[:-1] = (items[1:] != items[:-1]) | (owner[1:] != owner[:-1])
    offsets = np.zeros(len(history) + 1, np.int64)
    np.cumsum(np.bincount(owner[newest], minlength=len(history)), out=offsets[1:])
    return csr_matrix((weights[newest].astype(np.float32), items[newest], offsets), (len(history), num_items))


class HistoryRetriever(VectorRetriever):
    """A `VectorRetriever` that has no candidates for a user whose history says nothing, rather than any of score 0."""

    def search(
        self, users: UserBatch, k: int, barred: Sequence[Rows] | None = None, allowed: Filter | None = None
    ) -> Found:
        """By the index; row -1 and score 0 for users whose vector is zero."""
        vectors = self._encoder.encode(users)
        rows, scores = self._index.search(vectors, k, allowed, barred)
        told = vectors.any(axis=1, keepdims=True)
        return np.where(told, rows, -1), np.where(told, scores, 0).astype(np.float32)
