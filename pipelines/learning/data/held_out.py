"""What validates, and what each held-out item is ranked against."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from models.metrics import RankMetric, by_rank
from pipelines.learning.data.examples import Examples

_NO_ROWS = np.zeros(0, np.int64)


@dataclass(frozen=True, slots=True)
class HeldOut:
    """Validation examples; `seen[i]`: item rows that example i must not be ranked against.

    `among[i]`: the only rows it is ranked against, none of them its own or seen; none: the whole catalogue.
    `weights[i]`: what example i counts, such that all users count the same; none: all examples do.
    `metric`: what its place is worth.
    """

    examples: Examples
    seen: list[NDArray[np.int32]]
    weights: NDArray[np.float64] | None = None
    among: list[NDArray[np.int64]] | None = None
    metric: RankMetric = "ndcg@10"

    def __len__(self) -> int:
        return len(self.examples)

    def take(self, index: NDArray[np.int64] | slice) -> HeldOut:
        """The examples at `index`, in that order."""
        rows = np.arange(len(self))[index]
        among = None if self.among is None else [self.among[row] for row in rows]
        examples, seen = self.examples.take(index), [self.seen[row] for row in rows]
        return replace(self, examples=examples, seen=seen, weights=self.weight_of()[index], among=among)

    def competitors(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Of each pair of an example and what it is ranked against: the example and the item row, [num_pairs]."""
        among = self.among or []
        return np.repeat(np.arange(len(among)), [len(rows) for rows in among]), np.concatenate([*among, _NO_ROWS])

    def values(self, ranks: NDArray[np.int64]) -> NDArray[np.float64]:
        """The metric of each example, from the 0-based rank of its item, [num_examples]."""
        return by_rank(self.metric, ranks)

    def weight_of(self) -> NDArray[np.float64]:
        """The weight of each example."""
        return np.ones(len(self)) if self.weights is None else self.weights


def unseen(barred: NDArray[np.int64], num_items: int, num: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """`num` distinct item rows, or as many as there are, drawn uniformly from those that are not `barred`."""
    barred = np.unique(barred)
    drawn = rng.choice(num_items - len(barred), min(num, num_items - len(barred)), replace=False)
    # Row r of those left is as much further on as barred rows lie before it.
    return np.sort(drawn + np.searchsorted(barred - np.arange(len(barred)), drawn, side="right"))
