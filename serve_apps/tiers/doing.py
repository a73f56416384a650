"""How a tier does its work: at once, where it is all that its process does, or in a thread beside what else goes on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol, TypeVar

_Result = TypeVar("_Result")


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
