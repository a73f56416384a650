"""Maximal marginal relevance (Carbonell and Goldstein, 1998, section 2)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.errors import ConfigError
from models.selection.gains import Gains, directions


@dataclass(frozen=True, slots=True)
class Mmr:
    """`trade_off` is the λ of the paper: 1 goes by relevance alone, 0 by unlikeness to the row alone."""

    trade_off: float

    def __post_init__(self) -> None:
        if not 0 <= self.trade_off <= 1:
            raise ConfigError(f"the trade-off of MMR must be 0 to 1; got {self.trade_off}.")

    def start(self, relevance: NDArray[np.float64], vectors: NDArray[np.float32], limit: int) -> Gains:
        """Gains for an empty row."""
        return MmrGains(self.trade_off, relevance, directions(vectors))


class MmrGains:
    """λ · relevance − (1 − λ) · the cosine to the nearest item of the row: O(num · dim) an item."""

    def __init__(self, trade_off: float, relevance: NDArray[np.float64], unit: NDArray[np.float32]) -> None:
        self._relevance, self._weight, self._unit = trade_off * relevance, 1 - trade_off, unit
        self._nearest: NDArray[np.float32] | None = None
        self.values = self._relevance

    def add(self, entry: int) -> None:
        """What is like the entry gains less from now on."""
        likeness = self._unit @ self._unit[entry]
        if self._nearest is not None:
            np.maximum(likeness, self._nearest, out=likeness)
        self._nearest = likeness
        self.values = self._relevance - self._weight * likeness
