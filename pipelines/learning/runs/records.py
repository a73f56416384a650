"""One epoch's record in `metrics.json`: loss of a net, validation score by its metric's name, and how fast it went."""

from __future__ import annotations

Record = dict[str, float]

SPEED = ("samples", "samples_per_s", "seconds", "learning_rate_share")


def score_name(record: Record) -> str | None:
    """Name of the record's validation score; None where nothing validates."""
    return next((name for name in record if name not in (*SPEED, "epoch", "loss")), None)
