"""One epoch's record in `metrics.json`: loss of a net, validation score by its metric's name, and how fast it went."""

from __future__ import annotations

from collections.abc import Sequence

Record = dict[str, float]

SPEED = ("samples", "samples_per_s", "seconds", "learning_rate_share")


def score_name(record: Record) -> str | None:
    """Name of the record's validation score; None where nothing validates."""
    return next((name for name in record if name not in (*SPEED, "epoch", "loss")), None)


def best_of(epochs: Sequence[int], records: Sequence[Record], metric: str) -> int | None:
    """Of the epochs, newest first, the first of the highest score; the newest when none scored; None of none."""
    scores = {int(record["epoch"]): float(record.get(metric, 0.0)) for record in records}
    scored = [epoch for epoch in epochs if scores.get(epoch, 0.0) > 0.0]  # not NaN either
    return max(scored, key=lambda epoch: (scores[epoch], -epoch)) if scored else next(iter(epochs), None)
