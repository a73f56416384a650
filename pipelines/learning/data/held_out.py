"""What validates."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipelines.learning.data.examples import Examples


@dataclass(frozen=True, slots=True)
class HeldOut:
    """Validation examples; `seen[i]`: item rows that example i must not be ranked against.

    `weights[i]`: what example i counts, such that all users count the same; none: all examples do.
    """

    examples: Examples
    seen: list[NDArray[np.int32]]
    weights: NDArray[np.float64] | None = None

    def __len__(self) -> int:
        return len(self.examples)

    def take(self, index: NDArray[np.int64] | slice) -> HeldOut:
        """The examples at `index`, in that order."""
        rows = np.arange(len(self))[index]
        return HeldOut(self.examples.take(index), [self.seen[row] for row in rows], self.weight_of()[index])

    def weight_of(self) -> NDArray[np.float64]:
        """The weight of each example."""
        return np.ones(len(self)) if self.weights is None else self.weights
