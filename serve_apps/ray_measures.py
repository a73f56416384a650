"""Figures of the chain as Ray metrics; Ray adds deployment and replica, and Prometheus scrapes them from its nodes."""

from __future__ import annotations

from ray.util.metrics import Counter, Histogram

_BOUNDS_MS = [0.5, 1, 2, 4, 8, 15, 30, 60, 100, 150, 200, 300, 500, 1_000, 2_000]


class RayMeasures:
    """Once for a batch, not once for an answer: a figure costs some microseconds."""

    def __init__(self) -> None:
        self._stages = Histogram(
            "shoal_stage_ms", "Time of a stage for a batch.", boundaries=_BOUNDS_MS, tag_keys=("stage", "end")
        )
        self._answers = Counter(
            "shoal_answers", "Answers; rung is empty for the full chain.", tag_keys=("surface", "rung", "cause")
        )

    def stage(self, name: str, seconds: float, end: str) -> None:
        """One run of a stage."""
        self._stages.observe(1_000 * seconds, tags={"stage": name, "end": end})

    def answers(self, surface: str, rung: str, cause: str, num: int) -> None:
        """So many answers."""
        self._answers.inc(num, tags={"surface": surface, "rung": rung, "cause": cause})
