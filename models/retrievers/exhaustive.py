"""Retrieval by scoring the whole catalogue: for measures that are no inner product, over catalogues that allow it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from models.candidates import top
from models.features import UserBatch
from models.index.arrays import Found
from models.index.scan import shut_out, told
from models.index.selection import Filter, Selection, allowed_of, barred_of
from models.vocabulary import Rows


class CatalogueScorer(Protocol):
    """Scores of every item for some users, and how alike two items are."""

    num_items: int

    def score_all(self, users: UserBatch) -> NDArray[np.float32]:
        """[batch, num_items]."""

    def similarity(self, items: Rows, others: Rows) -> NDArray[np.float32]:
        """[len(items), len(others)]."""


class ExhaustiveRetriever:
    """A `Retriever` that compares everything. Cost grows with the catalogue: see the recipe's page for its limit."""

    by_profile = False

    def __init__(self, scorer: CatalogueScorer, by_user_id: bool) -> None:
        self._scorer = scorer
        self.by_user_id = by_user_id

    def search(
        self, users: UserBatch, k: int, barred: Sequence[Rows] | None = None, allowed: Filter | None = None
    ) -> Found:
        """The best `k` of all scores."""
        scores = self._scorer.score_all(users)
        wanted = allowed_of(allowed, self._scorer.num_items)
        selection = Selection(barred_of(barred, len(users)), wanted)
        shut_out(scores, selection.barred, closed=selection.closed(self._scorer.num_items))
        return told(*top(scores, k), min(k, self._scorer.num_items))

    def scores(self, users: UserBatch, owner: Rows, items: Rows) -> NDArray[np.float32]:
        """Picked from all scores of each user."""
        return self._scorer.score_all(users)[owner, items]

    def neighbours(self, items: Rows, k: int, allowed: Filter | None = None) -> Found:
        """The most similar items."""
        alike, num_items = self._scorer.similarity(items, np.arange(self._scorer.num_items)), self._scorer.num_items
        selection = Selection(barred_of(None, len(items)), allowed_of(allowed, num_items))
        shut_out(alike, selection.barred, closed=selection.closed(num_items))
        return told(*top(alike, k), min(k, num_items))

    def similarity(self, items: Rows, others: Rows) -> NDArray[np.float32]:
        """The scorer's own."""
        return self._scorer.similarity(items, others)

    def item_vectors(self, rows: Rows | None = None) -> None:
        """Items are no vectors here."""

    def user_vectors(self, users: UserBatch) -> None:
        """Nor are users."""
