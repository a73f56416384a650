"""How late an event loop is: what a request waits for its turn before any code of ours can look at it."""

from __future__ import annotations

import asyncio

_TICK_S = 0.02


class LoopLag:
    """Of the loop that it is first called on, from then on: a timer tells by how much it comes too late."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._due = self._last_s = 0.0

    def __call__(self) -> float:
        """Seconds: of the last tick, or more when the next one is late already."""
        if self._loop is None:
            self._loop = asyncio.get_running_loop()
            self._next()
        return max(self._last_s, self._loop.time() - self._due)

    def _tick(self) -> None:
        assert self._loop is not None
        self._last_s = max(0.0, self._loop.time() - self._due)
        self._next()

    def _next(self) -> None:
        assert self._loop is not None
        self._due = self._loop.time() + _TICK_S
        self._loop.call_at(self._due, self._tick)
