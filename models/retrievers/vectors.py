"""Retrieval by inner product: an encoder turns users into vectors, an index holds the items'."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from models.features import UserBatch
from models.index.arrays import Found, Vectors
from models.index.selection import Filter
from models.index.vector_index import VectorIndex
from models.vocabulary import Rows


class UserEncoder(Protocol):
    """From users as of a moment to vectors."""

    def encode(self, users: UserBatch) -> Vectors:
        """[batch, dim]."""


class VectorRetriever:
    """A `Retriever` of any encoder and the index of its items."""

    def __init__(
        self, encoder: UserEncoder, index: VectorIndex, by_user_id: bool = False, by_profile: bool = False
    ) -> None:
        self._encoder, self._index = encoder, index
        self.by_user_id, self.by_profile = by_user_id, by_profile

    def search(
        self, users: UserBatch, k: int, barred: Sequence[Rows] | None = None, allowed: Filter | None = None
    ) -> Found:
        """By the index."""
        return self._index.search(self._encoder.encode(users), k, allowed, barred)

    def scores(self, users: UserBatch, owner: Rows, items: Rows) -> NDArray[np.float32]:
        """Inner products, each item's vector fetched once."""
        distinct, at = np.unique(items, return_inverse=True)
        if not len(distinct):
            return np.zeros(0, np.float32)
        vectors = self._index.vectors(distinct)
        users_of_pairs = self._encoder.encode(users)[owner]
        return np.asarray(np.einsum("pd,pd->p", users_of_pairs, vectors[at]), np.float32)

    def neighbours(self, items: Rows, k: int, allowed: Filter | None = None) -> Found:
        """The nearest by inner product."""
        return self._index.search(self._index.vectors(items), k, allowed)

    def similarity(self, items: Rows, others: Rows) -> NDArray[np.float32]:
        """Inner products of item vectors."""
        return self._index.vectors(items) @ self._index.vectors(others).T

    def item_vectors(self, rows: Rows | None = None) -> Vectors:
        """Of all items in row order, or of `rows`, [num_items, dim]."""
        return self._index.vectors(np.arange(len(self._index)) if rows is None else rows)

    def user_vectors(self, users: UserBatch) -> Vectors:
        """What the encoder says, [batch, dim]."""
        return self._encoder.encode(users)
