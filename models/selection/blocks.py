"""Shares of a row for several sources, dealt out position by position."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from models.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Blocks:
    """`shares`: what part of the row each source has, such as {"model": 0.7, "trending": 0.3}; they need not sum to 1.

    A source without a share stands in where all others have run out.
    """

    shares: Mapping[str, float]

    def __post_init__(self) -> None:
        wrong = [name for name, share in self.shares.items() if not 0 < share < math.inf]
        if wrong or not self.shares:
            raise ConfigError(f"each source of a row needs a share above 0; got {dict(self.shares)}.")


class Schedule:
    """Whose turn it is (Tijdeman, "The chairman assignment problem", 1980).

    After any number of positions each source has had its share of them, give or take less than one, as long as none
    runs out; what a source cannot fill goes to the others by their shares.
    """

    def __init__(self, blocks: Blocks, sources: Sequence[str]) -> None:
        whole = sum(blocks.shares.values())
        self._shares = [blocks.shares.get(source, 0.0) / whole for source in sources]
        self._taken = [0] * len(sources)
        self._slack = 1 / max(2, 2 * len(blocks.shares) - 2)

    def order(self) -> list[int]:
        """Numbers of the sources, the one whose turn it is first, and behind it those that stand in for it."""
        position = sum(self._taken) + 1

        def key(source: int) -> tuple[bool, float]:
            share, taken = self._shares[source], self._taken[source]
            entitled = share * position - taken >= self._slack - 1e-9
            # The last position at which it would not yet have fallen behind by more than it may.
            deadline = (taken + 1 - self._slack) / share if share else math.inf
            return not entitled, deadline

        return sorted(range(len(self._shares)), key=key)

    def took(self, source: int) -> None:
        """A position went to this source."""
        self._taken[source] += 1
