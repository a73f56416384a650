"""The journal of a sweep: one small file a trial, kept up to date. A resumed sweep goes on from it alone."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from cluster.storage import Folder

Status = Literal["running", "finished", "failed"]


@dataclass(slots=True)
class Trial:
    """One trial. `scores`: epoch to score, None for one that is not a number. `seconds`: over all its attempts."""

    number: int
    run: str
    settings: dict[str, Any]
    status: Status = "running"
    scores: dict[int, float | None] = field(default_factory=dict)
    seconds: float = 0.0
    error: str | None = None

    def record(self, epoch: int, score: float | None) -> None:
        """Note an epoch; one that was done again replaces its earlier record."""
        self.scores[epoch] = float(score) if score is not None and math.isfinite(score) else None

    @property
    def best_epoch(self) -> int | None:
        """The earliest epoch of the best score; None when no epoch has a score."""
        scored = [(-score, epoch) for epoch, score in self.scores.items() if score is not None]
        return min(scored)[1] if scored else None

    @property
    def score(self) -> float | None:
        """Score of the best epoch, which is also the one that a run exports."""
        return None if self.best_epoch is None else self.scores[self.best_epoch]


class Journal:
    """The trials of a sweep in memory and, after every change, on storage."""

    def __init__(self, folder: Folder) -> None:
        self._folder = folder.child("trials")
        self.trials = [_read(self._folder, name) for name in self._folder.names() if name.endswith(".json")]

    def write(self, trial: Trial) -> None:
        """Keep the trial as it is now; a new one comes after all others."""
        if trial.number == len(self.trials):
            self.trials.append(trial)
        assert self.trials[trial.number] is trial
        self._folder.write(f"{trial.number:06d}.json", json.dumps(asdict(trial), indent=2, sort_keys=True).encode())


def best_first(trials: Iterable[Trial]) -> list[Trial]:
    """By score; then those without one, then those that failed or never ended."""
    return sorted(
        trials,
        key=lambda trial: (trial.status != "finished", trial.score is None, -(trial.score or 0.0), trial.number),
    )


def line(trial: Trial, metric: str) -> str:
    """The trial in one line, for a console."""
    settings = "  ".join(f"{key}={number(value)}" for key, value in trial.settings.items())
    how = f"failed: {trial.error}" if trial.status == "failed" else f"{metric} {number(trial.score)}"
    return f"trial {trial.number}: {how}  epochs {len(trial.scores)}  {trial.seconds:.0f} s  {settings}"


def number(value: Any) -> str:
    """Four significant figures; – for nothing; anything else as it is."""
    if value is None:
        return "–"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _read(folder: Folder, name: str) -> Trial:
    record = json.loads(folder.read(name) or b"")
    scores = {int(epoch): score for epoch, score in record.pop("scores").items()}
    return Trial(**record, scores=scores)
