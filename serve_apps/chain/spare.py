"""The last rung of all, in the gateway: popular rows that it holds ready for when nothing behind it answers."""

from __future__ import annotations

import asyncio
import logging
import time
import uuid
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import orjson

from serve_apps.chain.messages import HomeQuery, Query, RankQuery, SimilarQuery, asks_for_page
from serve_apps.chain.rungs import Cause, Rung

_log = logging.getLogger(__name__)
REFRESH_S = 5.0
_MAX_COUNTRIES = 300
_TIMEOUT_S = 2.0


class SpareRows:
    """Popular rows by country, asked of the router every few seconds. Lives on one event loop.

    A country has its own row a moment after it was first asked for, until then everywhere's. What is withdrawn
    stays out, as of the last look. A spare row knows nothing of its user: what they hid may be in it. It cannot tell
    what passes a filter, so a filtered question has an empty row; and to a list that is to be ranked it adds nothing.
    """

    def __init__(self, ask: Callable[[str | None], Awaitable[bytes]]) -> None:
        self._ask = ask
        self._rows: dict[str | None, dict[str, Any]] = {}
        self._wanted: dict[str | None, None] = {None: None}
        self._following: asyncio.Task[None] | None = None
        self._looked = 0.0

    def answer(self, query: Query) -> bytes | None:
        """A whole answer for a question that nothing behind the gateway answered.

        None before the first look, and for a further page: it can be asked for again, and popular items are none of it.
        """
        country = query.country
        row = self._rows.get(country) or self._rows.get(None)
        if row is None or (isinstance(query, HomeQuery) and query.cursor is not None):
            return None
        items = _fitting(query, row["items"])[: query.limit]
        items = [{**item, "rank": rank} for rank, item in enumerate(items, start=1)]
        titled = {"title": "Popular", "source": "popularity", "items": items}
        fresh = {
            "recommendation_id": uuid.uuid4().hex,
            **({"items": [], "rows": [titled] if items else []} if asks_for_page(query) else {"items": items}),
            "variant": query.surface,
            "fallback": Rung.POPULAR,
            "fallback_cause": Cause.CHAIN_LATE,
            "freshness_ms": None,
        }
        return orjson.dumps({**row, **fresh})

    def want(self, query: Query) -> None:
        """Have the row of the question's country ready from now on; starts looking with the first question."""
        country = query.country
        if country not in self._wanted and len(self._wanted) < _MAX_COUNTRIES:
            self._wanted[country] = None
            self._looked = 0.0
        if self._following is None and time.monotonic() - self._looked > REFRESH_S:
            self._looked = time.monotonic()
            self._following = asyncio.get_running_loop().create_task(self._look())
            self._following.add_done_callback(self._done)

    def _done(self, _: asyncio.Task[None]) -> None:
        self._following = None

    async def _look(self) -> None:
        for country in list(self._wanted):
            try:
                self._rows[country] = orjson.loads(await asyncio.wait_for(self._ask(country), _TIMEOUT_S))
            except Exception as error:  # the row of before stays, and the next question looks again
                _log.error("no spare row for country %r: %r", country, error)
                return


def _fitting(query: Query, items: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Those of the row that may answer the question."""
    if query.filter is not None or query.max_age_rating is not None:
        return []
    if isinstance(query, RankQuery):
        return [item for item in items if item["item_id"] in query.item_ids]
    asked = query.item_id if isinstance(query, SimilarQuery) else None
    return [item for item in items if item["item_id"] != asked]
