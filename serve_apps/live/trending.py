"""What is trending, as the store counts it, held in memory by country and read again every few seconds."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence

from cluster.online.store import OnlineStore
from models.errors import StoreError

_log = logging.getLogger(__name__)
LOOK_S = 2.0
_LENGTH = 200
_LIFE_S = 600.0
"""How long a list outlives a store that does not answer, and how long a country that nobody asks for is still read."""
_MAX_COUNTRIES = 300
"""More than there are: what is asked for is text from outside."""


class LiveTrending:
    """Thread-safe; asking never waits. A country is known a moment after it was first asked for."""

    def __init__(self, store: OnlineStore) -> None:
        self._store = store
        self._lists: dict[str | None, tuple[str, ...]] = {}
        self._read: dict[str | None, float] = {}
        self._asked: dict[str | None, float] = {None: time.monotonic()}
        self._changed = threading.Event()
        self._stopped = False
        threading.Thread(target=self._follow, name="follow-trending", daemon=True).start()

    def top(self, country: str | None) -> Sequence[str]:
        """Item ids, best first: those of the country, then those of everywhere."""
        own = self._known(country) if country else ()
        return list(dict.fromkeys([*own, *self._known(None)]))

    def in_country(self, country: str | None) -> frozenset[str]:
        """The items of the country's own list."""
        return frozenset(self._known(country)) if country else frozenset()

    def close(self) -> None:
        """Stop following."""
        self._stopped = True
        self._changed.set()

    def _known(self, country: str | None) -> tuple[str, ...]:
        new = country not in self._asked
        if not new or len(self._asked) < _MAX_COUNTRIES:
            self._asked[country] = time.monotonic()
            if new:
                self._changed.set()
        return self._lists.get(country, ())

    def _follow(self) -> None:
        while not self._stopped:
            self._changed.clear()
            try:
                self._look()
            except StoreError as error:
                _log.error("cannot read what is trending: %s", error)
            except Exception:  # a thread that ended would never look again
                _log.exception("cannot read what is trending")
            self._changed.wait(LOOK_S)

    def _look(self) -> None:
        now = time.monotonic()
        for country, asked in list(self._asked.items()):
            if country is not None and now - asked > _LIFE_S:
                self._asked.pop(country, None)
        try:
            for country in list(self._asked):
                self._lists[country] = tuple(t.item_id for t in self._store.trending(country, None, _LENGTH))
                self._read[country] = now
        finally:
            old = [country for country, read in self._read.items() if now - read > _LIFE_S]
            for country in old:
                del self._lists[country], self._read[country]
