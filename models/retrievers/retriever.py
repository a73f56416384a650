"""What every retriever can do. All of it on rows and arrays: ids are the recommender's business."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from models.features import UserBatch
from models.index.arrays import Found, Vectors
from models.index.selection import Filter
from models.vocabulary import Rows


class Retriever(Protocol):
    """Finds candidates for users in the whole catalogue, and scores given pairs by the same measure."""

    by_user_id: bool
    """True when a known id says something of a user even without a history."""
    by_profile: bool
    """True when attributes do so, of a known user or a new one."""

    def search(
        self, users: UserBatch, k: int, barred: Sequence[Rows] | None = None, allowed: Filter | None = None
    ) -> Found:
        """Item rows and scores of the best `k` (at most all) for each user, [batch, k], best first; row -1 is none.

        `barred`: rows that each user must not get; `allowed`: the only rows that any of them may get.
        """

    def scores(self, users: UserBatch, owner: Rows, items: Rows) -> NDArray[np.float32]:
        """[num_pairs] scores: pair p is user `owner[p]` with item row `items[p]`."""

    def neighbours(self, items: Rows, k: int, allowed: Filter | None = None) -> Found:
        """Item rows and similarities of the `k` items most like each, [len(items), k]; may hold the item itself. Row -1
        is none. `allowed`: the only rows that may be found.
        """

    def similarity(self, items: Rows, others: Rows) -> NDArray[np.float32]:
        """[len(items), len(others)]: how alike the items are; what a recommendation is explained by."""

    def item_vectors(self, rows: Rows | None = None) -> Vectors | None:
        """Of all items, or of `rows`, [num_items, dim] when items are vectors, else None."""

    def user_vectors(self, users: UserBatch) -> Vectors | None:
        """[batch, dim] whose inner products with `item_vectors` are the scores, or None."""
