"""How a tier does its work: at once, where it is all that its process does, or in a thread beside what else goes on."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol, TypeVar

_Result = TypeVar("_Result")
QUICK_S = 0.010
"""Work that takes no longer than this on average may run on an event loop that others wait for."""
_NEWEST = 0.2
"""Share of the newest work in the mean of how long it takes."""


class Doing(Protocol):
    """Runs work that waits for nothing, and gives its result."""

    async def __call__(self, work: Callable[[], _Result], /) -> _Result: ...


async def at_once(work: Callable[[], _Result]) -> _Result:
    """On the event loop, which answers nobody else until it is done."""
    return work()


class OneThread:
    """In a thread, one work after another; who waits for it keeps their deadline."""

    def __init__(self, name: str) -> None:
        self._thread = ThreadPoolExecutor(1, name)
        self._num_under_way = 0

    @property
    def has_room(self) -> bool:
        """True when no more than one work is under way, so that one more would be next."""
        return self._num_under_way <= 1

    async def __call__(self, work: Callable[[], _Result]) -> _Result:
        self._num_under_way += 1
        future = asyncio.get_running_loop().run_in_executor(self._thread, work)
        future.add_done_callback(self._done)
        return await asyncio.shield(future)

    def close(self) -> None:
        """Let the thread go; work under way ends by itself."""
        self._thread.shutdown(wait=False)

    def _done(self, future: asyncio.Future[_Result]) -> None:
        self._num_under_way -= 1
        if not future.cancelled():
            future.exception()  # somebody who gave up does not ask for it


class WhileQuick:
    """At once as long as work has been quick of late, else in the thread.

    A thread costs its work the changes between them, and while both run each of them waits for the interpreter. On the
    loop, long work would hold up all others, and its own deadline.
    """

    def __init__(self, thread: OneThread) -> None:
        self._thread = thread
        self._mean_s = 2 * QUICK_S  # until it is known

    async def __call__(self, work: Callable[[], _Result]) -> _Result:
        if self._mean_s <= QUICK_S:
            return self._timed(work)
        return await self._thread(lambda: self._timed(work))

    def _timed(self, work: Callable[[], _Result]) -> _Result:
        started = time.perf_counter()
        try:
            return work()
        finally:
            self._mean_s += _NEWEST * (time.perf_counter() - started - self._mean_s)
