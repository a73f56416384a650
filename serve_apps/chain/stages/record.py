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
_LINGER_S = 0.025
"""How long exposures wait for others: one write for many costs what one for each does."""
MAX_HELD = 2_048
"""Exposures that wait for the store, at most; more are dropped rather than held in memory."""


class Recorder:
    """Appends exposures in the background. What the store refuses or is too slow for is counted in the log, and lost.

    A thread of its own does it, so that slow writes never take the threads that reads need. Lives on one event loop.
    """

    def __init__(self, store: OnlineStore) -> None:
        self._store = store
        self._waiting: list[Exposure] = []
        self._num_taken = self._num_done = 0
        self._writer = ThreadPoolExecutor(1, "exposures")

    def record(self, queries: Sequence[Query], answers: Sequence[Answer]) -> None:
        """Have them recorded; returns at once. Needs a running event loop."""
        if self._num_taken + len(answers) > self._num_done + MAX_HELD:
            _log.error("%d exposures were not recorded: the store is too slow", len(answers))
            return
        if not self._waiting:
            asyncio.get_running_loop().call_later(_LINGER_S, self._write)
        now = datetime.now(UTC)
        self._waiting += [_exposure(query, answer, now) for query, answer in zip(queries, answers, strict=True)]
        self._num_taken += len(answers)

    def close(self) -> None:
        """Let the thread go once it has written what there is."""
        self._write()
        self._writer.shutdown(wait=False)

    def _write(self) -> None:
        exposures, self._waiting = self._waiting, []
        if exposures:
            self._writer.submit(self._append, exposures)

    def _append(self, exposures: Sequence[Exposure]) -> None:
        try:
            self._store.append_exposures(exposures)
        except StoreError as error:
            _log.error("%d exposures were not recorded: %s", len(exposures), error)
        except Exception:  # nobody waits for this thread
            _log.exception("%d exposures were not recorded", len(exposures))
        self._num_done += len(exposures)


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
