"""Greedy MAP inference of a determinantal point process (Chen, Zhang and Zhou, 2018, algorithm 1).

The kernel is L = Diag(q) S Diag(q), with S the cosines of the items and q = exp(θ r / (2 (1 − θ))) (section 5). What
raises log det L most is then the item with the largest θ r + (1 − θ) log d², where d² is the squared distance of its
direction from the span of those in the row; d² comes from a Cholesky factor that grows by one row an item.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.errors import ConfigError
from models.selection.gains import Gains, directions

_NEAREST = 1e-10
"""Squared distances below this are the rounding of 0: the item lies in the span. Where the paper stops, we go on by
relevance, because a row has to be filled."""


@dataclass(frozen=True, slots=True)
class Dpp:
    """`trade_off` is the θ of the paper: 1 goes by relevance alone, 0 by diversity alone."""

    trade_off: float

    def __post_init__(self) -> None:
        if not 0 <= self.trade_off <= 1:
            raise ConfigError(f"the trade-off of DPP must be 0 to 1; got {self.trade_off}.")

    def start(self, relevance: NDArray[np.float64], vectors: NDArray[np.float32], limit: int) -> Gains:
        """Gains for an empty row of at most `limit` items."""
        return DppGains(self.trade_off, relevance, directions(vectors.astype(np.float64)), limit)


class DppGains:
    """O(num · (dim + items in the row)) an item."""

    def __init__(self, trade_off: float, relevance: NDArray[np.float64], unit: NDArray[np.float64], limit: int) -> None:
        self._relevance, self._weight, self._unit = trade_off * relevance, 1 - trade_off, unit
        self._factor = np.zeros((limit, len(unit)))
        self._num = 0
        self._distances = np.ones(len(unit))
        self.values = self._relevance

    def add(self, entry: int) -> None:
        """What lies near the span of the row gains less from now on."""
        distance = self._distances[entry]
        if distance <= _NEAREST:
            return
        known = self._factor[: self._num]
        likeness = self._unit @ self._unit[entry]
        likeness[entry] = 1.0
        column = (likeness - known[:, entry] @ known) / np.sqrt(distance)
        self._factor[self._num] = column
        self._num += 1
        self._distances = np.maximum(self._distances - column * column, _NEAREST)
        self.values = self._relevance + self._weight * np.log(self._distances)
