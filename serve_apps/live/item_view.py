"""The items of one bundle as the catalogue has them now: who may see which, and what they are called."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from functools import cached_property, partial

import numpy as np
from numpy.typing import NDArray

from cluster.online.catalogue_store import Change
from models.candidates import Candidates
from models.errors import InputError
from models.filters.item_columns import ItemColumns
from models.index.packed_rows import PackedRows
from models.index.selection import Mask
from models.item_state import ItemState
from models.recommender import Recommender
from models.text_index import Text
from models.user_state import UserState
from models.vocabulary import Rows
from serve_apps.live.fits import Fits
from serve_apps.live.newcomers import Newcomers
from serve_apps.live.restrictions import Restrictions

_NEVER = np.iinfo(np.int64).max
_EVERYWHERE = 0
MAX_CHANGED = 10_000
"""Texts that wait to be taken into the text index; past so many it is made anew, which takes about as long."""
MAX_TITLES = 100_000
"""Items whose newest title and categories are held because the bundle has others; the longest unchanged go first."""


class ItemView:
    """Three arrays in row order, 13 bytes an item however many are restricted, and titles that are newer.

    `version`: the change of the catalogue up to which it is true. A row may show an item that the bundle knows and the
    catalogue does not, and a newcomer, which only the catalogue knows: its row lies behind those of the bundle.
    `texts`: both, for search.
    """

    def __init__(self, recommender: Recommender) -> None:
        self.version = 0
        self._items, self._popularity, self._bundle = recommender.items, recommender.popularity, recommender.version
        self._blocked = np.zeros(len(self._items), np.bool_)
        self._expires_us = np.full(len(self._items), _NEVER, np.int64)
        # Which of the lists of countries an item has; the first is everywhere.
        self._list = np.full(len(self._items), _EVERYWHERE, np.int32)
        self._countries: list[frozenset[str]] = [frozenset()]
        self._number_of: dict[frozenset[str], int] = {}
        self._shown: dict[int, tuple[str | None, list[str]]] = {}
        self.newcomers = Newcomers(len(self._items))
        self._changed: dict[str, Text | None] | None = {}
        self._changing = threading.Lock()
        self._restrictions, self._num_restricted = Restrictions(), 0
        self.restricts = False
        """Whether anything at all was ever kept from anybody."""

    def apply(self, changes: Sequence[Change]) -> None:
        """Take in changes, older ones first."""
        for change in changes:
            row, state = self._items.vocabulary.row(change.id), ItemState.from_bytes(change.state)
            evicted = None
            if row is not None:
                self._set(row, state)
            else:
                evicted = self.newcomers.put(change.id, state)
            with self._changing:
                if self._changed is not None:
                    if evicted is not None:
                        self._changed[evicted] = None
                    text = None if state.blocked else Text(change.id, state.title, state.categories)
                    self._changed[change.id] = text
                    if len(self._changed) > MAX_CHANGED:
                        self._changed = None
        if changes:
            self.version = max(self.version, changes[-1].version)

    @cached_property
    def columns(self) -> ItemColumns:
        """The bundle's items as columns to filter by."""
        return ItemColumns(self._items.table(), self._bundle)

    def allows(self, rows: Rows, user: UserState, fits: Fits | None = None) -> NDArray[np.bool_]:
        """For each item row, whether the user may see it now and it passes the filter, if there is one.

        Who is nowhere sees what is everywhere. The rows of newcomers are among those it can tell of.
        """
        new = rows >= len(self._items)
        if new.any():
            allowed = np.empty(len(rows), np.bool_)
            allowed[~new] = self.allows(rows[~new], user, fits)
            allowed[new] = [self.newcomers.allows(row, user, fits) for row in rows[new].tolist()]
            return allowed
        if fits is not None:
            return self.allows(rows, user) & fits.mask(self.columns)[rows]
        if not self.restricts:
            return np.ones(len(rows), np.bool_)
        allowed = ~self._blocked[rows] & (self._expires_us[rows] > user.now_us)
        lists = self._list[rows]
        for number in np.unique(lists[lists != _EVERYWHERE]):
            if user.country not in self._countries[number]:
                allowed &= lists != number
        return allowed

    def allows_id(self, item_id: str, user: UserState, fits: Fits | None = None) -> bool:
        """The same of one item, known to the bundle or not; what nobody knows, nobody may see."""
        row = self._items.vocabulary.row(item_id)
        if row is not None:
            return bool(self.allows(np.asarray([row]), user, fits)[0])
        return self.newcomers.allows_id(item_id, user, fits)

    def knows(self, item_id: str) -> bool:
        """Whether the bundle or the catalogue knows the item."""
        return self._items.vocabulary.row(item_id) is not None or item_id in self.newcomers

    def kept(self, candidates: Candidates, user: UserState, fits: Fits | None = None) -> Candidates:
        """The candidates that the user may see and that pass."""
        if self._all_may_be_seen(candidates.item_rows, fits):
            return candidates
        return candidates.where(self.allows(candidates.item_rows, user, fits))

    def allowed_rows(self, rows: Rows, user: UserState, fits: Fits | None = None) -> Rows:
        """Those of the item rows that the user may see and that pass, in their order."""
        return rows if self._all_may_be_seen(rows, fits) else rows[self.allows(rows, user, fits)]

    def share(self, fits: Fits | None = None) -> float:
        """Of the bundle's items at least so many may be seen by anybody and pass the filter; may be below 0."""
        num = len(self._items) if fits is None else int(np.count_nonzero(fits.mask(self.columns)))
        return (num - self._num_restricted) / max(len(self._items), 1)

    def mask(self, user: UserState, fits: Fits | None = None) -> PackedRows:
        """The bundle's rows that the user may see now and that pass the filter.

        One object for all who may see the same. Blocks while it is made: 10 ms for a million items.
        """
        shut_out = tuple(n for n, some in enumerate(self._countries) if n != _EVERYWHERE and user.country not in some)
        key = (shut_out, repr(fits.expression) if fits is not None else None)
        return self._restrictions.rows(key, self.version, user.now_us, partial(self._mask, user, fits))

    def popular(self, user: UserState, num: int, fits: Fits | None = None) -> Candidates:
        """Popular in the user's country, then everywhere, then what has the most events, so that `num` are found.

        Fewer when the popular lists are shorter and nothing on them is restricted, or when no more are allowed.
        """
        listed = Candidates(*self._popularity.top(user.country))
        kept = self.kept(listed, user, fits)
        if len(kept) >= num or len(kept) == len(listed):
            return kept
        others = self.allows(np.arange(len(self._items)), user, fits)
        others[listed.item_rows] = False
        rows = np.flatnonzero(others)
        wanted = min(num - len(kept), len(rows))
        rows = rows[np.argsort(-self._items.counts[rows], kind="stable")[:wanted]]
        scores = np.zeros(len(rows), np.float32)
        return Candidates(np.concatenate([kept.item_rows, rows]), np.concatenate([kept.scores, scores]))

    def id_of(self, row: int) -> str:
        """The id of an item row, also of a newcomer that has just left."""
        if row < len(self._items):
            return self._items.ids[row]
        item_id = self.newcomers.id_of(row)
        if item_id is None:
            raise InputError(f"row {row} is no item's: it is of another view, or its item has left long ago.")
        return item_id

    def stand_ins(self, rows: Rows) -> Rows:
        """For each item row one that the bundle knows: itself or, of a newcomer, the known item most like it."""
        return self.newcomers.placed.stand_ins(rows)

    def row_of(self, item_id: str) -> int | None:
        """The row of an item, also of a newcomer; None when it has none."""
        row = self._items.vocabulary.row(item_id)
        return self.newcomers.row(item_id) if row is None else row

    def passing(self, rows: Rows, fits: Fits) -> NDArray[np.bool_]:
        """For each item row, a newcomer's among them, whether it passes a filter."""
        passes = np.zeros(len(rows), np.bool_)
        known = rows < len(self._items)
        passes[known] = fits.mask(self.columns)[rows[known]]
        for place in np.flatnonzero(~known).tolist():
            row = int(rows[place])
            item_id = self.newcomers.id_of(row)
            passes[place] = item_id is not None and fits.newcomer(item_id, self._newcomer(row))
        return passes

    def title(self, row: int) -> str | None:
        """The newest title known."""
        if row >= len(self._items):
            return self._newcomer(row).title
        shown = self._shown.get(row)  # in one step: a thread may be writing
        return self._items.titles[row] if shown is None else shown[0]

    def categories(self, row: int) -> list[str]:
        """The newest categories known."""
        if row >= len(self._items):
            return list(self._newcomer(row).categories)
        shown = self._shown.get(row)
        return self._items.categories[row] if shown is None else shown[1]

    def title_of(self, item_id: str) -> str | None:
        """The newest title known of any item."""
        row = self._items.vocabulary.row(item_id)
        if row is not None:
            return self.title(row)
        state = self.newcomers.get(item_id)
        return state.title if state else None

    def categories_of(self, item_id: str) -> list[str]:
        """The newest categories known of any item."""
        row = self._items.vocabulary.row(item_id)
        if row is not None:
            return self.categories(row)
        state = self.newcomers.get(item_id)
        return list(state.categories) if state else []

    def words(self, item_id: str) -> str:
        """Title and categories of any item, as a question for items like it."""
        return Text(item_id, self.title_of(item_id), self.categories_of(item_id)).words

    def texts(self) -> Iterator[Text]:
        """What is searched of every item that anybody may see."""
        for row in np.flatnonzero(~self._blocked).tolist():
            yield Text(self._items.ids[row], self.title(row), self.categories(row))
        for item_id, state in self.newcomers.states():
            yield Text(item_id, state.title, state.categories)

    def take_changed(self) -> dict[str, Text | None] | None:
        """Texts that have changed since this was last asked, None for an item that is gone; None when they were too
        many to hold: read `texts` again.
        """
        with self._changing:
            changed, self._changed = self._changed, {}
        return changed

    def _all_may_be_seen(self, rows: Rows, fits: Fits | None) -> bool:
        return not self.restricts and fits is None and not (rows >= len(self._items)).any()

    def _mask(self, user: UserState, fits: Fits | None) -> tuple[Mask, int]:
        """Of all rows of the bundle, and until when it is true."""
        later = self._expires_us[self._expires_us > user.now_us]
        until_us = int(later.min()) if len(later) else _NEVER
        return self.allows(np.arange(len(self._items)), user, fits), until_us

    def _newcomer(self, row: int) -> ItemState:
        item_id = self.newcomers.id_of(row)
        return (item_id and self.newcomers.get(item_id)) or ItemState()

    def _set(self, row: int, state: ItemState) -> None:
        self.restricts = self.restricts or state.restricted
        before = self._blocked[row] or self._expires_us[row] != _NEVER or self._list[row] != _EVERYWHERE
        self._num_restricted += state.restricted - int(before)
        self._blocked[row] = state.blocked
        self._expires_us[row] = _NEVER if state.expires_us is None else state.expires_us
        self._list[row] = _EVERYWHERE if state.countries is None else self._number(frozenset(state.countries))
        self._shown.pop(row, None)
        shown = (state.title, list(state.categories))
        if not state.blocked and shown != (self._items.titles[row], self._items.categories[row]):
            self._shown[row] = shown
            if len(self._shown) > MAX_TITLES:
                del self._shown[next(iter(self._shown))]

    def _number(self, countries: frozenset[str]) -> int:
        number = self._number_of.setdefault(countries, len(self._countries))
        if number == len(self._countries):
            self._countries.append(countries)
        return number
