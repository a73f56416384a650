"""Items that came after the bundle was made: only the catalogue knows them, until the next bundle does."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable, Sequence

import numpy as np

from models.item_state import ItemState
from models.user_state import UserState
from models.vocabulary import Rows
from serve_apps.live.fits import Fits
from serve_apps.live.placed import Placed

MAX_NEWCOMERS = 100_000
"""The longest unchanged go first."""
MAX_PLACED = 10_000
"""Of them the newest are found by what users like: comparing them all takes 0.1 ms of one core a user."""


class Newcomers:
    """Rows go on behind those of the bundle, and are never used twice. One writer, any number of readers.

    `placed`: where those are, among the items that the bundle knows, whose place has been worked out.
    """

    def __init__(self, first: int) -> None:
        self.first = self._next = first
        self._states: dict[str, ItemState] = {}
        self._rows: dict[str, int] = {}
        self._ids: dict[int, str] = {}
        self._left: deque[int] = deque()
        self._waiting: dict[str, ItemState] = {}
        self._handing_over = threading.Lock()
        self.placed = Placed.nobody(first)
        self.departures = 0
        """How many have left."""

    def __len__(self) -> int:
        return len(self._states)

    def __contains__(self, item_id: object) -> bool:
        return item_id in self._states

    def put(self, item_id: str, state: ItemState) -> str | None:
        """An item came, or is another now; one that nobody may see leaves.

        The id of another that had to go for it, if there is one.
        """
        self._states.pop(item_id, None)
        if state.blocked:
            self._leave(item_id)
            return None
        if item_id not in self._rows:
            self._rows[item_id], self._ids[self._next] = self._next, item_id
            self._next += 1
        self._states[item_id] = state
        with self._handing_over:
            self._waiting.pop(item_id, None)
            self._waiting[item_id] = state
            if len(self._waiting) > MAX_PLACED:
                del self._waiting[next(iter(self._waiting))]
        if len(self._states) <= MAX_NEWCOMERS:
            return None
        oldest = next(iter(self._states))
        del self._states[oldest]
        self._leave(oldest)
        return oldest

    def states(self) -> list[tuple[str, ItemState]]:
        """All of them, the longest unchanged first."""
        return list(self._states.items())

    def get(self, item_id: str) -> ItemState | None:
        """What the catalogue says of one; None when it is none, or has left."""
        return self._states.get(item_id)

    def row(self, item_id: str) -> int | None:
        """Its row; None when it is none, or has left."""
        return self._rows.get(item_id)

    def rows(self, item_ids: Iterable[str]) -> Rows:
        """Rows of those ids that are newcomers."""
        get = self._rows.get
        return np.asarray([row for row in map(get, item_ids) if row is not None], np.int64)

    def id_of(self, row: int) -> str | None:
        """The id of a row, also of one that has left, until `MAX_NEWCOMERS` more have: an answer may hold it."""
        return self._ids.get(row)

    def allows(self, row: int, user: UserState, fits: Fits | None) -> bool:
        """Whether the user may see it now and it passes the filter, if there is one."""
        item_id = self._ids.get(row)
        if item_id is None or self._rows.get(item_id) != row:
            return False
        return self.allows_id(item_id, user, fits)

    def allows_id(self, item_id: str, user: UserState, fits: Fits | None) -> bool:
        """The same by its id."""
        state = self._states.get(item_id)
        if state is None or (state.expires_us is not None and state.expires_us <= user.now_us):
            return False
        if state.countries is not None and user.country not in state.countries:
            return False
        return fits is None or fits.newcomer(item_id, state)

    def take_waiting(self, num: int) -> list[tuple[int, str, ItemState]]:
        """Rows, ids and states of at most `num` whose place is to be worked out, the newest first."""
        with self._handing_over:
            taken = [self._waiting.popitem() for _ in range(min(num, len(self._waiting)))]
        known = [(self._rows.get(item_id), item_id, state) for item_id, state in taken]
        return [(row, item_id, state) for row, item_id, state in known if row is not None]

    def wait_again(self, taken: Sequence[tuple[int, str, ItemState]]) -> None:
        """Put back what was taken and could not be worked out, the newest first, unless it has left or changed."""
        with self._handing_over:
            again = {name: state for _, name, state in reversed(taken) if self._states.get(name) is state}
            self._waiting = {**again, **self._waiting}

    @property
    def waiting(self) -> bool:
        """Whether the place of any is still to be worked out."""
        return bool(self._waiting)

    def _leave(self, item_id: str) -> None:
        row = self._rows.pop(item_id, None)
        if row is not None:
            self.departures += 1
            self._left.append(row)
            if len(self._left) > MAX_NEWCOMERS:
                del self._ids[self._left.popleft()]
        with self._handing_over:
            self._waiting.pop(item_id, None)
