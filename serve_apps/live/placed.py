"""Newcomers whose place among the known items has been worked out: each stands near a few of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from models.candidates import Candidates, listed, top
from models.index.arrays import Vectors
from models.index.scan import shut_out, told
from models.index.selection import Mask
from models.item_state import ItemState
from models.user_state import UserState
from models.vocabulary import Rows
from serve_apps.live.fits import Fits

_NEVER = np.iinfo(np.int64).max
_MAX_FILTERS = 64
MAX_NEWEST = 100
"""Where items are no vectors, scores are asked for by row, so of the newest alone."""


@dataclass(frozen=True, slots=True)
class Place:
    """`near`: [num_near] rows of known items, the nearest first; `weights`: what each counts, 1 together.

    `vector`: [dim], the weighted mean of theirs; None where items are no vectors.
    """

    near: Rows
    weights: NDArray[np.float32]
    vector: NDArray[np.float32] | None


@dataclass(frozen=True)
class Placed:
    """`rows`: [num_placed], ascending; `places` and `states` in their order. It never changes.

    A user's score of a newcomer is the weighted mean of their scores of what it stands near: where scores are inner
    products, that with the mean of the vectors.
    """

    first: int
    rows: Rows
    places: Sequence[Place]
    documents: Sequence[tuple[str, ItemState]] = field(repr=False)

    @classmethod
    def nobody(cls, first: int) -> Placed:
        """Before anybody came."""
        return cls(first, np.zeros(0, np.int64), (), ())

    def __len__(self) -> int:
        return len(self.rows)

    @cached_property
    def vectors(self) -> Vectors | None:
        """[num_placed, dim]; None where items are no vectors."""
        vectors = [place.vector for place in self.places if place.vector is not None]
        return np.stack(vectors) if len(vectors) == len(self) > 0 else None

    def stand_ins(self, rows: Rows) -> Rows:
        """The rows, each newcomer's replaced by that of the known item it stands nearest to; without a place, by 0."""
        new = np.flatnonzero(rows >= self.first)
        if not len(new):
            return rows
        known = rows.copy()
        at = np.searchsorted(self.rows, rows[new])
        for place, row, found in zip(new.tolist(), rows[new].tolist(), at.tolist(), strict=True):
            held = found < len(self) and self.rows[found] == row
            known[place] = self.places[found].near[0] if held else 0
        return known

    @cached_property
    def newest(self) -> Placed:
        """Those that came last, at most `MAX_NEWEST`."""
        num = MAX_NEWEST
        return Placed(self.first, self.rows[-num:], self.places[-num:], self.documents[-num:])

    def worked_out(self) -> Placed:
        """Itself, with all that the first answer would otherwise wait for."""
        asked = self if self.vectors is not None else self.newest
        _ = asked.vectors, asked.near, asked._expires_us, asked._countries
        return self

    @cached_property
    def near(self) -> Rows:
        """Rows of known items that somebody stands near, each once, ascending."""
        return np.unique(np.concatenate([place.near for place in self.places])) if len(self) else self.rows

    def means(self, scores: NDArray[np.float32]) -> NDArray[np.float32]:
        """[batch, num_placed] from [batch, len(near)] scores of what they stand near."""
        columns = [np.searchsorted(self.near, place.near) for place in self.places]
        owner = np.repeat(np.arange(len(self)), [len(some) for some in columns])
        means = np.zeros((len(self), len(scores)), np.float32)
        weights = np.concatenate([place.weights for place in self.places])
        np.add.at(means, owner, scores.T[np.concatenate(columns)] * weights[:, None])
        return means.T

    def best(
        self,
        scores: NDArray[np.float32],
        k: int,
        users: Sequence[UserState],
        fits: Sequence[Fits | None],
        barred: Sequence[Rows],
    ) -> list[Candidates]:
        """The best `k` by [batch, num_placed] scores, which are overwritten, of those that each user may see, without
        their barred rows and without what fails their filter.
        """
        for line, (user, passes) in enumerate(zip(users, fits, strict=True)):
            closed = ~self._allowed(user)
            if passes is not None:
                closed |= ~self._passing(passes)
            scores[line, closed] = -np.inf
        shut_out(scores, barred, self.rows)
        columns, best = top(scores, k)
        return listed(*told(self.rows[columns], best, k))

    def _allowed(self, user: UserState) -> Mask:
        allowed: Mask = self._expires_us > user.now_us
        for at, countries in self._countries:
            allowed[at] &= user.country in countries
        return allowed

    def _passing(self, fits: Fits) -> Mask:
        key = repr(fits.expression)  # true and 1 are equal, and are not the same question
        mask = self._masks.get(key)
        if mask is None:
            if len(self._masks) >= _MAX_FILTERS:
                self._masks.clear()
            mask = np.asarray([fits.newcomer(item_id, state) for item_id, state in self.documents], np.bool_)
            self._masks[key] = mask
        return mask

    @cached_property
    def _expires_us(self) -> NDArray[np.int64]:
        moments = [_NEVER if state.expires_us is None else state.expires_us for _, state in self.documents]
        return np.asarray(moments, np.int64)

    @cached_property
    def _countries(self) -> list[tuple[int, frozenset[str]]]:
        """Places of those that are for some countries alone, and which."""
        each = enumerate(state.countries for _, state in self.documents)
        return [(at, frozenset(countries)) for at, countries in each if countries is not None]

    @cached_property
    def _masks(self) -> dict[str, Mask]:
        return {}
