"""What each user's last full answer was chosen from, for when retrieval fails."""

from __future__ import annotations

import time
from collections import OrderedDict
from dataclasses import dataclass

from models.candidates import Candidates
from models.user_state import HistoryEvent, UserState

LIFE_S = 600.0
_MAX_USERS = 20_000
_LENGTH = 100
_Mark = tuple[int, HistoryEvent | None, HistoryEvent | None, str | None]


@dataclass(frozen=True, slots=True)
class LastRow:
    """Candidates of a version, before what the user may not see now is taken out."""

    version: str
    candidates: Candidates
    mark: _Mark
    at: float


class LastRows:
    """At most 20,000 users, some 25 MB; who was answered longest ago goes first. Lives on one event loop.

    A row is worth nothing after ten minutes, or once anything happened to its user.
    """

    def __init__(self) -> None:
        self._rows: OrderedDict[str, LastRow] = OrderedDict()

    def keep(self, user: UserState, version: str, candidates: Candidates) -> None:
        """Remember a full answer."""
        self._rows[user.user_id] = LastRow(version, candidates.head(_LENGTH), _mark(user), time.monotonic())
        self._rows.move_to_end(user.user_id)
        if len(self._rows) > _MAX_USERS:
            self._rows.popitem(last=False)

    def get(self, user: UserState) -> LastRow | None:
        """The user's last row if it still holds."""
        row = self._rows.get(user.user_id)
        if row is None or row.mark != _mark(user) or time.monotonic() - row.at > LIFE_S:
            return None
        return row


def _mark(user: UserState) -> _Mark:
    """Differs once an event of the user has come in, even a late one, or they are elsewhere."""
    history = user.history
    return len(history), history[0] if history else None, history[-1] if history else None, user.country
