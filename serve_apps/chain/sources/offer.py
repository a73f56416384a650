"""What a source offers one user: titled lists of items, and the true reason of each item."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from models.candidates import Candidates
from models.vocabulary import Rows
from serve_apps.chain.answers import Reasons


@dataclass(frozen=True, slots=True)
class Shelf:
    """Items that stand under one title on a page, best first. `reasons`: why each of these item rows is here."""

    title: str
    candidates: Candidates
    reasons: Reasons


@dataclass(frozen=True)
class Offer:
    """Shelves, the first one first on a page. An item may stand on several."""

    shelves: Sequence[Shelf] = ()

    @cached_property
    def candidates(self) -> Candidates:
        """All shelves as one list, best first; an item that stands on several is there once, where it scores best."""
        return self._merged[0]

    def reasons(self, rows: Rows) -> list[str]:
        """Why each of these items of `candidates` is here: the reason of the shelf on which it scores best."""
        if len(self.shelves) == 1:
            return self.shelves[0].reasons(rows)
        shelf_of = dict(zip(self.candidates.item_rows.tolist(), self._merged[1].tolist(), strict=True))
        at = np.asarray([shelf_of[row] for row in rows.tolist()], np.int64)
        reasons = [""] * len(rows)
        for number in np.unique(at).tolist():
            places = np.flatnonzero(at == number)
            for place, reason in zip(places.tolist(), self.shelves[number].reasons(rows[places]), strict=True):
                reasons[place] = reason
        return reasons

    def rescored(self, rows: Rows, scores: NDArray[np.float32]) -> Offer:
        """The same items in the order of other scores. `rows`: ascending; `scores`: of each. What has none keeps its
        place on its shelf, with the score of the item above it.
        """
        return Offer([replace(shelf, candidates=_rescored(shelf.candidates, rows, scores)) for shelf in self.shelves])

    def kept(self, keep: Callable[[Candidates], Candidates]) -> Offer:
        """What `keep` leaves on the shelves, without those on which nothing is left."""
        left = [replace(shelf, candidates=keep(shelf.candidates)) for shelf in self.shelves]
        return Offer([shelf for shelf in left if len(shelf.candidates)])

    @cached_property
    def _merged(self) -> tuple[Candidates, Rows]:
        """One list, and the number of the shelf of each of its items."""
        if not self.shelves:
            return Candidates.empty(), np.zeros(0, np.int64)
        if len(self.shelves) == 1:
            only = self.shelves[0].candidates
            return only, np.zeros(len(only), np.int64)
        rows = np.concatenate([shelf.candidates.item_rows for shelf in self.shelves])
        scores = np.concatenate([shelf.candidates.scores for shelf in self.shelves])
        numbers = np.repeat(np.arange(len(self.shelves)), [len(shelf.candidates) for shelf in self.shelves])
        order = np.argsort(-scores, kind="stable")
        _, first = np.unique(rows[order], return_index=True)
        kept = order[np.sort(first)]
        return Candidates(rows[kept], scores[kept]), numbers[kept]


def _rescored(candidates: Candidates, rows: Rows, scores: NDArray[np.float32]) -> Candidates:
    if not len(rows) or not len(candidates):
        return candidates
    at = np.minimum(np.searchsorted(rows, candidates.item_rows), len(rows) - 1)
    known = rows[at] == candidates.item_rows
    ranked = Candidates(candidates.item_rows[known], scores[at[known]]).reordered(scores[at[known]])
    if known.all():
        return ranked
    item_rows = candidates.item_rows.copy()
    item_rows[known] = ranked.item_rows
    # Of each place, the place among the ranked of the last one at or above it.
    above = np.maximum(np.cumsum(known) - 1, 0)
    return Candidates(item_rows, ranked.scores[above] if known.any() else candidates.scores)


def alike(reason: str) -> Reasons:
    """The same reason for every item."""
    return lambda rows: [reason] * len(rows)


def local_and_other(
    candidates: Candidates, local: NDArray[np.bool_], word: str, country: str | None, name: str
) -> Offer:
    """Two shelves, such as "Trending in Norway" and "Trending". `local`: which candidates are of the country's own
    list; `name`: the country's.
    """
    shelves = [
        Shelf(f"{word} in {name}", candidates.where(local), alike(f"{word} in {country}")),
        Shelf(word, candidates.where(~local), alike(word)),
    ]
    return Offer([shelf for shelf in shelves if len(shelf.candidates)])
