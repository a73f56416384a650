"""Stage: the users of a batch as of now, in one fetch, and whether the catalogue has changed."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import partial

from cluster.online.store import OnlineStore, OnlineUser
from models.privacy import ERASED_ID
from models.user_state import UserState
from serve_apps.chain.messages import Query
from serve_apps.live.breaker import Breaker
from serve_apps.live.bundles import LiveBundles
from serve_apps.live.catalogue import LiveCatalogue

_THREADS = 4


class Hydrate:
    """Reads the store for every question: an event that was acknowledged counts in the very next answer."""

    def __init__(self, store: OnlineStore, bundles: LiveBundles, catalogue: LiveCatalogue) -> None:
        self._store, self._bundles, self._catalogue = store, bundles, catalogue
        self._breaker = Breaker(max_waiting=_THREADS)
        self._readers = ThreadPoolExecutor(_THREADS, "hydrate")

    async def users(self, queries: Sequence[Query]) -> list[tuple[UserState, bool]]:
        """State of each question's user, and whether they refuse personalization; `StoreError`.

        That fetch also tells whether the catalogue has changed. Only then what changed is fetched, before any answer.
        """
        now = datetime.now(UTC)
        fetch = partial(self._breaker.call, partial(self._fetch, [query.user_id or "" for query in queries]))
        found = await asyncio.get_running_loop().run_in_executor(self._readers, fetch)
        return [
            (_state(user, query, now), user.personalization is False)
            for user, query in zip(found, queries, strict=True)
        ]

    def strangers(self, queries: Sequence[Query]) -> list[tuple[UserState, bool]]:
        """The same when nothing can be read: all that is known is what the questions say."""
        now = datetime.now(UTC)
        return [(_state(OnlineUser(), query, now), False) for query in queries]

    def close(self) -> None:
        """Let the threads go; reads under way end by themselves."""
        self._readers.shutdown(wait=False)

    def _fetch(self, user_ids: Sequence[str]) -> list[OnlineUser]:
        fetched = self._store.fetch(user_ids)
        self._catalogue.catch_up(self._bundles.loaded, fetched.items_version)
        return fetched.users


def _state(user: OnlineUser, query: Query, now: datetime) -> UserState:
    # Under an id that nobody has, nothing that a bundle learned of an erased user is found.
    known_as = ERASED_ID if user.erased else query.user_id or ""
    return UserState(known_as, now, user.history, query.country or user.country, user.attributes)
