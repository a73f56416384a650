"""What lists are judged by beside hits: catalogue, training counts and item vectors of one bundle for all models."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from models.metrics import catalogue_coverage, category_vectors, gini, intra_list_diversity, novelty
from models.metrics.hits import Values
from models.recommender import Recommender
from models.vocabulary import Vocabulary

_LISTS = 256
"""Lists whose category sets are columns of one matrix at a time."""


@dataclass(frozen=True, slots=True)
class Yardstick:
    """`counts` [num_items]: training events. Diversity is by `categories`, or by `vectors` [num_items, dim] if any."""

    vocabulary: Vocabulary
    counts: NDArray[np.int64]
    categories: Sequence[Sequence[str]]
    vectors: NDArray[np.float32] | None = None

    @classmethod
    def of(cls, recommender: Recommender) -> Yardstick:
        """The bundle's own facts.

        Item vectors measure diversity only where most items have no category: their scale is another after every
        training, so that the same list would be more diverse one day than the next.
        """
        items = recommender.items
        enough = 2 * sum(map(bool, items.categories)) >= len(items)
        return cls(items.vocabulary, items.counts, items.categories, None if enough else recommender.item_vectors())

    def rows(self, lists: Sequence[Sequence[str]], width: int) -> NDArray[np.int64]:
        """Item rows, [num_lists, width]; -1 where a list has ended or holds an item that is not in the catalogue."""
        rows = np.full((len(lists), width), -1, np.int64)
        lengths = np.asarray([min(len(items), width) for items in lists], np.int64)
        flat = pa.array([item_id for items in lists for item_id in items[:width]], pa.string())
        rows[np.arange(width) < lengths[:, None]] = self.vocabulary.lookup(flat)
        return rows

    def per_list(self, rows: NDArray[np.int64], k: int) -> dict[str, Values]:
        """Novelty and intra-list diversity of the first `k` of each list."""
        return {
            f"novelty@{k}": novelty(rows, self.counts, k),
            f"diversity@{k}": self._diversity(rows[:, :k], k),
        }

    def of_all(self, rows: NDArray[np.int64], k: int) -> dict[str, float]:
        """Catalogue coverage and Gini of exposure of the first `k` of all lists."""
        first = rows[:, :k]
        exposures = np.bincount(first[first >= 0], minlength=len(self.counts))
        return {f"coverage@{k}": catalogue_coverage(exposures), f"gini@{k}": gini(exposures)}

    def _diversity(self, rows: NDArray[np.int64], k: int) -> Values:
        if self.vectors is not None:
            return intra_list_diversity(rows, self.vectors, k)
        parts = [self._by_category(rows[start : start + _LISTS], k) for start in range(0, len(rows), _LISTS)]
        return np.concatenate([np.zeros(0), *parts])

    def _by_category(self, rows: NDArray[np.int64], k: int) -> Values:
        shown = np.unique(rows[rows >= 0])
        sets = category_vectors([self.categories[row] for row in shown])
        return intra_list_diversity(np.where(rows >= 0, np.searchsorted(shown, rows), -1), sets, k)
