"""The frame around every stage: it is timed and counted, stops at the deadline, and its failure costs a rung.

A stage is any awaitable work of a batch. What it did is an `Outcome`; it never raises.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Awaitable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from serve_apps.chain.answers import Answer
from serve_apps.chain.deadline import Deadline

_log = logging.getLogger(__name__)
_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True)
class Outcome(Generic[_Result]):
    """What a stage came to. `result` is None unless it came in time."""

    result: _Result | None = None
    late: bool = False

    @property
    def ok(self) -> bool:
        """It came, and in time."""
        return self.result is not None


class Measures(Protocol):
    """Where figures of the chain go."""

    def stage(self, name: str, seconds: float, end: str) -> None:
        """One run of a stage for a batch; `end`: `ok`, `late` or `failed`."""

    def answers(self, surface: str, rung: str, cause: str, num: int) -> None:
        """So many answers of a surface from a rung, both texts empty for the full chain."""


class Frame:
    """Runs stages."""

    def __init__(self, measures: Measures) -> None:
        self._measures = measures

    async def run(
        self, name: str, work: Awaitable[_Result], deadline: Deadline, share: float = 1.0
    ) -> Outcome[_Result]:
        """The work's result, unless it fails or its share of the time runs out; it is cancelled then."""
        started = time.perf_counter()
        end = "ok"
        outcome: Outcome[_Result] = Outcome()
        try:
            async with asyncio.timeout(deadline.for_stage(share)):
                outcome = Outcome(await work)
        except TimeoutError:
            end, outcome = "late", Outcome(late=True)
            _log.warning("stage %s was late: %.0f ms", name, 1_000 * (time.perf_counter() - started))
        except Exception:  # whatever it was, an answer is owed
            end = "failed"
            _log.exception("stage %s failed", name)
        self._measures.stage(name, time.perf_counter() - started, end)
        return outcome

    @contextmanager
    def timed(self, name: str) -> Iterator[None]:
        """Around a stage that waits for nothing; what it raises goes on."""
        started = time.perf_counter()
        yield
        self._measures.stage(name, time.perf_counter() - started, "ok")

    def count(self, surface_and_answers: Sequence[tuple[str, Answer]]) -> None:
        """Count answers by the rung they came from."""
        counted = Counter((surface, a.fallback or "", a.fallback_cause or "") for surface, a in surface_and_answers)
        for (surface, rung, cause), num in counted.items():
            self._measures.answers(surface, rung, cause, num)
