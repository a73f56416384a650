"""Records what was shown, after the answer and off its path."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

from cluster.online.store import OnlineStore
from models.errors import StoreError
from models.exposures import Exposure
from serve_apps.chain.answers import Answer
from serve_apps.chain.messages import Query

_log = logging.getLogger(__name__)


_MAX_UNDER_WAY = 64
"""Batches of exposures that wait for the store, at most; more are dropped rather than held in memory."""


class Recorder:
    """Appends exposures in the background. What the store refuses or is too slow for is counted in the log, and lost.

    A thread of its own does it, so that slow writes never take the threads that reads need.
    """

    def __init__(self, store: OnlineStore) -> None:
        self._store = store
        self._under_way: set[asyncio.Task[None]] = set()
        self._writer = ThreadPoolExecutor(1, "exposures")

    def record(self, queries: Sequence[Query], answers: Sequence[Answer]) -> None:
        """Start recording; returns at once. Needs a running event loop."""
        if len(self._under_way) >= _MAX_UNDER_WAY:
            _log.error("%d exposures were not recorded: the store is too slow", len(answers))
            return
        now = datetime.now(UTC)
        exposures = [_exposure(query, answer, now) for query, answer in zip(queries, answers, strict=True)]
        task = asyncio.create_task(self._append(exposures))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    def close(self) -> None:
        """Let the thread go once it has written what it has."""
        self._writer.shutdown(wait=False)

    async def _append(self, exposures: Sequence[Exposure]) -> None:
        try:
            await asyncio.get_running_loop().run_in_executor(self._writer, self._store.append_exposures, exposures)
        except StoreError as error:
            _log.error("%d exposures were not recorded: %s", len(exposures), error)


def _exposure(query: Query, answer: Answer, now: datetime) -> Exposure:
    return Exposure(
        recommendation_id=answer.recommendation_id,
        user_id=query.user_id or "",
        surface=query.surface,
        variant=answer.variant,
        model_version=answer.model_version,
        fallback=answer.fallback,
        item_ids=tuple(item["item_id"] for item in answer.shown),
        propensity=answer.propensity,
        timestamp=now,
        propensities=answer.propensities,
        num_above=answer.num_above or None,
    )
