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


@dataclass(frozen=True, slots=True)
class Yardstick:
    """`counts` [num_items]: training events. `vectors` [num_items, dim]: None measures diversity by categories."""

    vocabulary: Vocabulary
    counts: NDArray[np.int64]
    vectors: NDArray[np.float32] | None
    categories: Sequence[Sequence[str]]

    @classmethod
    def of(cls, recommender: Recommender) -> Yardstick:
        """The bundle's own facts."""
        vectors = recommender.item_vectors()
        items = recommender.items
        return cls(items.vocabulary, items.counts, vectors if vectors.size else None, items.categories)

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
        # Sets of the shown items only: a column a category for a whole catalogue would not fit in memory.
        shown = np.unique(rows[rows >= 0])
        sets = category_vectors([self.categories[row] for row in shown])
        return intra_list_diversity(np.where(rows >= 0, np.searchsorted(shown, rows), -1), sets, k)
