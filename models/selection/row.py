"""Fills a row position by position, each with the best that the rules let in there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.selection.blocks import Schedule
from models.selection.caps import CapState
from models.selection.exploration import Choice, Epsilon, PlackettLuce, greatest
from models.selection.gains import Gains
from models.selection.placements import Mark, Placement
from models.selection.pool import Pool


class Shown(NamedTuple):
    """An entry in a row, why it stands there, and with what probability, given those above."""

    entry: int
    mark: Mark
    propensity: float


class Row:
    """One row in the making. `caps`, `schedule`, `buried` and `exploration` are None where no rule asks for them."""

    def __init__(
        self,
        pool: Pool,
        gains: Gains,
        caps: CapState | None,
        schedule: Schedule | None,
        buried: NDArray[np.bool_] | None,
        exploration: Epsilon | PlackettLuce | None,
        random: np.random.Generator | None,
    ) -> None:
        self._pool, self._gains, self._caps, self._schedule = pool, gains, caps, schedule
        self._exploration, self._random = exploration, random
        self._free = np.arange(len(pool)) < pool.num_ranked
        self._tiers = [None] if buried is None else [~buried, buried]

    def fill(self, limit: int, placed: Mapping[int, Placement]) -> list[Shown]:
        """At most `limit` entries. What is placed stands at its position, or at the end of a row that ends sooner."""
        for by_hand in placed.values():
            self._take(by_hand.entry)
        shown: list[Shown] = []
        while len(shown) < limit:
            position = len(shown)
            placement = placed.get(position)
            if placement is None:
                choice = self._choose(position)
                if choice is None:
                    break
                entry = choice.entry
                shown.append(Shown(entry, Mark.EXPLORED if choice.explored else Mark.RANKED, choice.propensity))
                self._take(entry)
                if self._caps is not None:
                    self._caps.add(entry, position)
                if self._schedule is not None and self._pool.source_of is not None:
                    self._schedule.took(int(self._pool.source_of[entry]))
            else:
                entry = placement.entry
                shown.append(Shown(entry, placement.mark, 1.0))
            self._gains.add(entry)
        late = [placed[position] for position in sorted(placed) if position >= len(shown)]
        return shown + [Shown(entry, mark, 1.0) for entry, mark in late]

    def _take(self, entry: int) -> None:
        """The item is in the row: none of its entries is free any more."""
        self._free &= self._pool.item_rows != self._pool.item_rows[entry]

    def _choose(self, position: int) -> Choice | None:
        allowed = self._allowed(position)
        if allowed is None:
            return None
        if self._exploration is None or self._random is None:
            return Choice(greatest(self._gains.values, allowed), 1.0, False)
        return self._exploration.choose(self._gains.values, allowed, position, self._random)

    def _allowed(self, position: int) -> NDArray[np.bool_] | None:
        """The entries among which this position is chosen; None when there are none.

        What is buried gives way to what is not; then the source whose turn it is comes before the others. Soft caps are
        the last to give way.
        """
        for soft in (True, False) if self._caps is not None and self._caps.has_soft else (True,):
            free = self._free if self._caps is None else self._free & self._caps.allowed(position, soft=soft)
            for tier in self._tiers:
                rest = free if tier is None else free & tier
                if rest.any():
                    return self._turn(rest)
        return None

    def _turn(self, rest: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Of the entries those of the source whose turn it is, or of the first behind it that has any."""
        source_of = self._pool.source_of
        if self._schedule is None or source_of is None:
            return rest
        own = (rest & (source_of == source) for source in self._schedule.order())
        return next(entries for entries in own if entries.any())
