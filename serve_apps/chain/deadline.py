"""Until when an answer is owed. It travels with the question, so that no stage works for nobody."""

from __future__ import annotations

import time
from dataclasses import dataclass

DEFAULT_TIMEOUT_MS = 150
MAX_TIMEOUT_MS = 10_000
RESERVE_S = 0.015
"""What the last steps of an answer take: choosing, writing it down, the way back. No stage may use it up."""


@dataclass(frozen=True, slots=True)
class Deadline:
    """`at`: seconds of the wall clock, because it crosses machines; a skew of their clocks shortens or lengthens it."""

    at: float

    @classmethod
    def after(cls, timeout_ms: int) -> Deadline:
        """So many milliseconds from now."""
        return cls(time.time() + timeout_ms / 1_000)

    def left(self) -> float:
        """Seconds until it; below 0 behind it."""
        return self.at - time.time()

    def for_stage(self, share: float = 1.0) -> float:
        """Seconds that a stage which starts now may take, at least 0; `share`: of what is left, for those after it."""
        return max(0.0, share * (self.left() - RESERVE_S))
