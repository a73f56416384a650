"""Questions that come at the same time share a hop; one that comes alone when nothing is out leaves at once."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

_Question = TypeVar("_Question")
_Answer = TypeVar("_Answer")
COMPANY = 4
PATIENCE_S = 0.010
"""While a batch is out, so many leave beside it together, or fewer once they have waited so long."""


@dataclass(slots=True)
class _Waiting(Generic[_Question, _Answer]):
    question: _Question
    answer: asyncio.Future[_Answer]
    impatient_at: float


class Gathering(Generic[_Question, _Answer]):
    """Natural batching: when nothing is out, nothing is waited for. What arrives while a batch is out leaves with the
    next place that comes free, up to `max_size` at a time, or before that in company.

    A hop is paid per call. At one question a time each has its own; at a thousand a second they fill the batches by
    themselves. In between, the same work in fewer batches leaves time for all. Lives on one event loop.
    """

    def __init__(
        self, ask: Callable[[Sequence[_Question]], Awaitable[Sequence[_Answer]]], max_size: int, max_under_way: int
    ) -> None:
        self._ask, self._max_size, self._max_under_way = ask, max_size, max_under_way
        self._waiting: deque[_Waiting[_Question, _Answer]] = deque()
        self._under_way: set[asyncio.Task[None]] = set()

    @property
    def idle(self) -> bool:
        """True when nobody waits and nothing is out."""
        return not self._waiting and not self._under_way

    async def ask(self, question: _Question) -> _Answer:
        """The answer to one question; raises what its batch raised. One cancelled while it waits is not asked."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[_Answer] = loop.create_future()
        now = loop.time()
        self._waiting.append(_Waiting(question, answer, now + PATIENCE_S))
        self._send(now)
        if not self._waiting:
            return await answer
        patience = loop.call_at(now + PATIENCE_S, self._send, now + PATIENCE_S)  # which may call a tick too early
        try:
            return await answer
        finally:
            patience.cancel()

    def _send(self, now: float) -> None:
        while self._waiting and self._has_place(now):
            batch: list[_Waiting[_Question, _Answer]] = []
            while self._waiting and len(batch) < self._max_size:
                waiting = self._waiting.popleft()
                if not waiting.answer.done():  # nobody waits for it any more
                    batch.append(waiting)
            if batch:
                task = asyncio.get_running_loop().create_task(self._one(batch))
                self._under_way.add(task)
                task.add_done_callback(self._came_back)

    def _has_place(self, now: float) -> bool:
        """Whether those who wait may leave: at once when nothing is out, else in company or out of patience."""
        if not self._under_way:
            return True
        if len(self._under_way) >= self._max_under_way:
            return False
        return len(self._waiting) >= COMPANY or now >= self._waiting[0].impatient_at

    def _came_back(self, task: asyncio.Task[None]) -> None:
        self._under_way.discard(task)
        self._send(asyncio.get_running_loop().time())

    async def _one(self, batch: Sequence[_Waiting[_Question, _Answer]]) -> None:
        try:
            answers = await self._ask([waiting.question for waiting in batch])
        except Exception as error:  # each of those who asked is told
            for waiting in batch:
                if not waiting.answer.done():
                    waiting.answer.set_exception(error)
            return
        for waiting, answer in zip(batch, answers, strict=True):
            if not waiting.answer.done():
                waiting.answer.set_result(answer)
