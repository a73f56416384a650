"""The ordered list of one recommendation, from which pages are cut."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.selection.placements import Mark
from models.selection.select import Selected
from models.vocabulary import Rows


@dataclass(frozen=True, slots=True)
class Listing:
    """Parallel arrays [num]. `item_rows`: -1 where the bundle does not know the item. `propensities`: None when nothing
    was left to chance. `reasons`: of items whose reason is not made anew from their user's history; None: of all it is.
    """

    item_rows: Rows
    scores: NDArray[np.float32]
    sources: tuple[str, ...]
    marks: tuple[Mark, ...]
    propensities: NDArray[np.float32] | None = None
    reasons: tuple[str | None, ...] | None = None

    def __len__(self) -> int:
        return len(self.item_rows)

    @classmethod
    def of(cls, selected: Selected, *, explored: bool) -> Listing:
        """What was selected; `explored`: chance had a part in it."""
        propensities = selected.propensities.astype(np.float32) if explored else None
        return cls(selected.item_rows, selected.scores, selected.sources, selected.marks, propensities)

    def part(self, start: int, end: int | None = None) -> Listing:
        """The items from one place to another."""
        return Listing(
            self.item_rows[start:end],
            self.scores[start:end],
            self.sources[start:end],
            self.marks[start:end],
            None if self.propensities is None else self.propensities[start:end],
            None if self.reasons is None else self.reasons[start:end],
        )

    def at(self, places: NDArray[np.int64]) -> Listing:
        """The items at these places, in their order."""
        return Listing(
            self.item_rows[places],
            self.scores[places],
            tuple(self.sources[place] for place in places.tolist()),
            tuple(self.marks[place] for place in places.tolist()),
            None if self.propensities is None else self.propensities[places],
            None if self.reasons is None else tuple(self.reasons[place] for place in places.tolist()),
        )
