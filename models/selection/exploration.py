"""Chance in a row, and with what probability it chose what it did.

The propensity of a shown item is the probability of it at its position, given what stands above it. Their product is
the probability of the whole row, which is what inverse propensity weighting of rows needs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.errors import ConfigError


class Choice(NamedTuple):
    """An entry, the probability with which it was chosen, and whether the best one would have been another."""

    entry: int
    propensity: float
    explored: bool


@dataclass(frozen=True, slots=True)
class Epsilon:
    """In a `share` of cases any candidate, all alike; else the best. `positions`: where; None: everywhere."""

    share: float
    positions: frozenset[int] | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.share <= 1:
            raise ConfigError(f"the share of exploration must be 0 to 1; got {self.share}.")

    def choose(
        self, gains: NDArray[np.float64], allowed: NDArray[np.bool_], position: int, random: np.random.Generator
    ) -> Choice:
        """One of the allowed entries, of which there is one at least."""
        best = greatest(gains, allowed)
        if self.positions is not None and position not in self.positions:
            return Choice(best, 1.0, False)
        entries = np.flatnonzero(allowed)
        at_random = random.random() < self.share
        entry = int(entries[random.integers(len(entries))]) if at_random else best
        return Choice(entry, self.share / len(entries) + (1 - self.share) * (entry == best), entry != best)


@dataclass(frozen=True, slots=True)
class PlackettLuce:
    """Each position by the softmax of gain / `temperature` over what is left (Plackett, 1975; Luce, 1959).

    Drawn as the largest of gain / temperature plus Gumbel noise (Gumbel, 1954): without rules that change what is
    allowed or gained, the same as the top k by one such draw (Kool, van Hoof and Welling, 2019).
    """

    temperature: float

    def __post_init__(self) -> None:
        if not 0 < self.temperature < np.inf:
            raise ConfigError(f"the temperature of exploration must be above 0; got {self.temperature}.")

    def choose(
        self, gains: NDArray[np.float64], allowed: NDArray[np.bool_], position: int, random: np.random.Generator
    ) -> Choice:
        """One of the allowed entries, of which there is one at least."""
        entries = np.flatnonzero(allowed)
        logits = gains[entries] / self.temperature
        best = int(logits.argmax())
        drawn = int((logits + random.gumbel(size=len(logits))).argmax())
        weights = np.exp(logits - logits[best])
        return Choice(int(entries[drawn]), float(weights[drawn] / weights.sum()), drawn != best)


def greatest(gains: NDArray[np.float64], allowed: NDArray[np.bool_]) -> int:
    """The allowed entry that gains most; of equals the first."""
    entries = np.flatnonzero(allowed)
    return int(entries[gains[entries].argmax()])
