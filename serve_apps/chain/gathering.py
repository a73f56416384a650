"""Questions that come at the same time share a hop; one that comes alone leaves at once."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

_Question = TypeVar("_Question")
_Answer = TypeVar("_Answer")


class Gathering(Generic[_Question, _Answer]):
    """Natural batching: nothing is ever waited for. What arrives while `max_under_way` batches are out leaves with the
    next one that comes back, up to `max_size` at a time.

    A hop is paid per call. At one question a time each has its own; at a thousand a second they fill the batches by
    themselves. Lives on one event loop.
    """

    def __init__(
        self, ask: Callable[[Sequence[_Question]], Awaitable[Sequence[_Answer]]], max_size: int, max_under_way: int
    ) -> None:
        self._ask, self._max_size, self._max_under_way = ask, max_size, max_under_way
        self._waiting: deque[tuple[_Question, asyncio.Future[_Answer]]] = deque()
        self._under_way: set[asyncio.Task[None]] = set()

    @property
    def idle(self) -> bool:
        """True when nobody waits and nothing is out."""
        return not self._waiting and not self._under_way

    async def ask(self, question: _Question) -> _Answer:
        """The answer to one question; raises what its batch raised. One cancelled while it waits is not asked."""
        future: asyncio.Future[_Answer] = asyncio.get_running_loop().create_future()
        self._waiting.append((question, future))
        self._send()
        return await future

    def _send(self) -> None:
        while self._waiting and len(self._under_way) < self._max_under_way:
            batch: list[tuple[_Question, asyncio.Future[_Answer]]] = []
            while self._waiting and len(batch) < self._max_size:
                question, future = self._waiting.popleft()
                if not future.done():  # nobody waits for it any more
                    batch.append((question, future))
            if batch:
                task = asyncio.get_running_loop().create_task(self._one(batch))
                self._under_way.add(task)
                task.add_done_callback(self._came_back)

    def _came_back(self, task: asyncio.Task[None]) -> None:
        self._under_way.discard(task)
        self._send()

    async def _one(self, batch: Sequence[tuple[_Question, asyncio.Future[_Answer]]]) -> None:
        try:
            answers = await self._ask([question for question, _ in batch])
        except Exception as error:  # each of those who asked is told
            for _, future in batch:
                if not future.done():
                    future.set_exception(error)
            return
        for (_, future), answer in zip(batch, answers, strict=True):
            if not future.done():
                future.set_result(answer)
