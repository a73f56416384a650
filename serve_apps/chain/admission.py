"""How many questions a gateway takes on at a time. What is more is turned away at once, so that the others are in time.

What is behind a gateway answers faster on a quiet machine than on a shared one, with ten replicas than with one, and
never says how fast. So the bound is found as TCP finds its window: by additive increase and multiplicative decrease
(Chiu and Jain, "Analysis of the increase and decrease algorithms for congestion avoidance in computer networks", 1989,
section 3), where what tells of congestion is an answer that took most of its time.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from models.errors import ShoalError
from serve_apps.chain.deadline import DEFAULT_TIMEOUT_MS

MIN_UNDER_WAY, START_UNDER_WAY, MAX_UNDER_WAY = 64, 128, 512
"""Two whole batches are always let in: who is slow because a stage hangs has not too many questions, and asking fewer
would turn people away for nothing. The most there may be is also what bounds the memory that they take."""
MIN_WHEN_LATE, LATE_S = 32, 0.075
"""One batch, while the gateway itself is this late: with no core to run on, it owes its time to those it has let in."""
_LEAST_TIME_S = DEFAULT_TIMEOUT_MS / 1_000
_SHARE = 0.7
"""Of its time, what an answer may take before there are too many."""
_DECREASE = 0.9


class BusyError(ShoalError):
    """There are as many questions as can be answered in time: this one is not answered at all."""


class Admission:
    """Lives on one event loop."""

    def __init__(self, lag: Callable[[], float] = lambda: 0.0, now: Callable[[], float] = time.monotonic) -> None:
        """`lag`: by how many seconds the event loop is late."""
        self._lag, self._now = lag, now
        self._limit = float(START_UNDER_WAY)
        self._under_way = 0
        self._cut = now()

    @property
    def full(self) -> bool:
        """True when one more would be turned away."""
        if self._under_way < MIN_WHEN_LATE:
            return False
        return self._under_way >= int(self._limit) or self._lag() > LATE_S

    @contextmanager
    def one(self, time_s: float) -> Iterator[None]:
        """Around the work for one question that has so much time; `BusyError` when there are too many already.

        What fails early is quick for no good reason, and a time below the default may be one that nobody can meet:
        from neither anything is learned.
        """
        if self.full:
            raise BusyError(f"{self._under_way} requests wait here already, and one more would be late. Try again.")
        self._under_way += 1
        started, answered = self._now(), False
        try:
            yield
            answered = True
        finally:
            if time_s >= _LEAST_TIME_S:
                self._learn(started, time_s, answered)
            self._under_way -= 1

    def _learn(self, started: float, time_s: float, answered: bool) -> None:
        now = self._now()
        if now - started > _SHARE * time_s:
            if started >= self._cut:  # one that came before the last cut says nothing of what the cut has done
                self._limit, self._cut = max(MIN_UNDER_WAY, self._limit * _DECREASE), now
        elif answered and self._under_way > self._limit / 2:  # a limit that is not reached has not been tried
            self._limit = min(MAX_UNDER_WAY, self._limit + 1 / self._limit)
