"""The gateway's side of the chain: questions in batches to the router, and an answer whatever becomes of them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import Protocol

from models.errors import ShoalError
from serve_apps.chain.admission import Admission, BusyError
from serve_apps.chain.gathering import Gathering
from serve_apps.chain.loop_lag import LoopLag
from serve_apps.chain.messages import Query
from serve_apps.chain.spare import SpareRows

_log = logging.getLogger(__name__)
BATCH_SIZE = 32
BATCHES_UNDER_WAY = 2
"""A hop is paid per call, so concurrent questions share it. With two batches under way one is at the tiers while the
other is hydrated or answered; with more they are smaller."""
_MAX_TIMES = 8
"""So many different times, those asked for last, have batches of their own; a batch is due when the first of it is."""
_GRACE_S = 0.05
"""How much longer than a deadline the gateway waits: what comes just behind it is better than a spare row."""


class ChainError(ShoalError):
    """Nothing behind the gateway has answered yet, so there is not even a spare row."""


class Behind(Protocol):
    """The router, as the gateway sees it; `BusyError` when its queue is full."""

    async def recommend(self, queries: Sequence[Query]) -> list[bytes]: ...

    async def spare(self, country: str | None) -> bytes: ...

    async def champion(self) -> str: ...


class Front:
    """Lives on one event loop. `batched` False sends every question alone."""

    def __init__(self, behind: Behind, *, batched: bool = True) -> None:
        self._behind, self._batched = behind, batched
        self._admission = Admission(LoopLag())
        self._gatherings: dict[int, Gathering[Query, bytes]] = {}
        self._spare = SpareRows(behind.spare)

    @property
    def full(self) -> bool:
        """True when one more question would be turned away."""
        return self._admission.full

    async def recommend(self, query: Query) -> bytes:
        """The answer, by its deadline; `BusyError`, `ChainError`."""
        try:
            with self._admission.one(query.timeout_ms / 1_000):
                self._spare.want(query)
                async with asyncio.timeout(max(query.deadline.left(), 0.0) + _GRACE_S):
                    return await self._ask(query)
        except BusyError:
            raise
        except TimeoutError:
            _log.warning("nothing behind the gateway answered in time")
        except Exception:  # whatever it was, an answer is owed
            _log.exception("nothing behind the gateway answered")
        spare = self._spare.answer(query)
        if spare is None:
            raise ChainError("nothing answered in time, and there is no row to stand in. Try again in a moment.")
        return spare

    async def champion(self) -> str:
        """Version of the champion in use."""
        return await self._behind.champion()

    async def _ask(self, query: Query) -> bytes:
        """In a batch with others that have the same time, or alone."""
        gathering = self._gathering(query.timeout_ms) if self._batched else None
        if gathering is None:
            return (await self._behind.recommend([query]))[0]
        return await gathering.ask(query)

    def _gathering(self, timeout_ms: int) -> Gathering[Query, bytes] | None:
        """That of a time, now the one used last; in place of the one unused longest, or None while all are busy."""
        gathering = self._gatherings.pop(timeout_ms, None)
        if gathering is None:
            if len(self._gatherings) >= _MAX_TIMES:
                idle = next((time for time, each in self._gatherings.items() if each.idle), None)
                if idle is None:
                    return None
                del self._gatherings[idle]
            gathering = Gathering(self._in_time, BATCH_SIZE, BATCHES_UNDER_WAY)
        self._gatherings[timeout_ms] = gathering
        return gathering

    async def _in_time(self, queries: Sequence[Query]) -> list[bytes]:
        """The batch, given up once nobody waits for it: one that hangs would keep its place from the next."""
        last = max(query.deadline.left() for query in queries)
        async with asyncio.timeout(max(last, 0.0) + _GRACE_S):
            return await self._behind.recommend(queries)
