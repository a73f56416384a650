"""One epoch's record in `metrics.json`: loss, validation score under the name of its metric, and how fast it went."""

from __future__ import annotations

Record = dict[str, float]

SPEED = ("samples", "samples_per_s", "seconds", "learning_rate_share")


def score_name(record: Record) -> str:
    """Name of the record's validation score."""
    return next(name for name in record if name not in (*SPEED, "epoch", "loss"))
