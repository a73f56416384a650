"""Retrieval by what is said of the items: vectors of texts, or of texts as far as they tell who turns to an item.

Items of which nothing is said have no place among the others. The last coordinate of the index sees to that: it is
`_LAST` for them, 0 for all others, and 1 in every query, so they come last however the rest is scored.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.errors import BundleError
from models.features import UserBatch
from models.index.arrays import Found, Vectors
from models.index.selection import Filter
from models.index.vector_index import VectorIndex
from models.retrievers.als import FoldIn
from models.retrievers.history import HistoryRetriever, weighted_items
from models.retrievers.vectors import UserEncoder
from models.vocabulary import Rows

SETTINGS_FILE = "content.json"
HISTORY_FILE = "history.faiss"
_LAST = -1_000.0


class HistoryMean:
    """A `UserEncoder`: the mean of the vectors of the history, the newest weighing most, at length 1."""

    def __init__(self, index: VectorIndex, recency_half_life: float) -> None:
        self._index, self._half_life = index, recency_half_life

    def encode(self, users: UserBatch) -> Vectors:
        """[batch, dim - 1]: without the last coordinate; zero where the history says nothing."""
        weights = weighted_items(users.history, len(self._index), self._half_life)
        distinct, at = np.unique(weights.indices, return_inverse=True)
        vectors = self._index.vectors(distinct.astype(np.int64))[:, :-1]
        weights = type(weights)((weights.data, at, weights.indptr), (len(users), len(distinct)))
        return unit(np.asarray(weights @ vectors, np.float32))


class ContentRetriever(HistoryRetriever):
    """A `Retriever` over an index made by `with_last`."""

    def __init__(self, encoder: UserEncoder, index: VectorIndex) -> None:
        super().__init__(_Query(encoder), index)

    def neighbours(self, items: Rows, k: int, allowed: Filter | None = None) -> Found:
        """The nearest by inner product; none for an item of which nothing is said."""
        told = self._vectors(items)
        rows, scores = self._index.search(_query(told), k, allowed)
        none = ~told.any(axis=1, keepdims=True)
        return np.where(none, -1, rows), np.where(none, 0, scores).astype(np.float32)

    def similarity(self, items: Rows, others: Rows) -> NDArray[np.float32]:
        """Inner products of what is said."""
        return self._vectors(items) @ self._vectors(others).T

    def _vectors(self, items: Rows) -> Vectors:
        return self._index.vectors(items)[:, :-1]


class _Query:
    """An encoder's vectors with the last coordinate of a query."""

    def __init__(self, encoder: UserEncoder) -> None:
        self._encoder = encoder

    def encode(self, users: UserBatch) -> Vectors:
        return _query(self._encoder.encode(users))


def load_content(folder: Path, index: VectorIndex) -> ContentRetriever:
    """Read what `save_content` wrote beside the index."""
    settings = json.loads((folder / SETTINGS_FILE).read_bytes())
    if not settings["supervised"]:
        return ContentRetriever(HistoryMean(index, float(settings["recency_half_life"])), index)
    history = VectorIndex.load(folder / HISTORY_FILE)
    if (len(history), history.dim + 1) != (len(index), index.dim):
        raise BundleError(f"{HISTORY_FILE} does not fit the index. Publish the bundle again.")
    return ContentRetriever(FoldIn.load(folder, history), index)


def save_content(folder: Path, supervised: bool, recency_half_life: float) -> None:
    """Write which of the two encoders a folder has."""
    settings = {"supervised": supervised, "recency_half_life": recency_half_life}
    (folder / SETTINGS_FILE).write_text(json.dumps(settings, indent=2, sort_keys=True))


def with_last(vectors: Vectors) -> Vectors:
    """[num_items, dim + 1]: item vectors with the coordinate that keeps zero vectors behind all others."""
    return np.hstack([vectors, np.where(vectors.any(axis=1, keepdims=True), 0.0, _LAST)]).astype(np.float32)


def unit(vectors: Vectors) -> Vectors:
    """Rows at length 1; a zero row stays zero."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.where(lengths > 0, lengths, 1.0), np.float32)


def _query(vectors: Vectors) -> Vectors:
    return np.hstack([vectors, vectors.any(axis=1, keepdims=True)]).astype(np.float32)
