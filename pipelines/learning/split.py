"""Which events of a user are trained on, which validate and which test. Training and evaluation use this one rule."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timezone
from typing import Literal

import polars as pl

from models.events import NEGATIVE_TYPES

Protocol = Literal["leave_last_out", "time", "none"]

CONTEXT, TRAIN, VALIDATION, TEST = -1, 0, 1, 2


@dataclass(frozen=True, slots=True)
class SplitConfig:
    """`leave_last_out`: a user's last new item tests, the one before validates (users of 3 items or more).

    `time`: the last `test_fraction` of all events, in whole days, tests; as much before it validates.
    `none`: everything is trained on and nothing is held out.
    """

    protocol: Protocol = "leave_last_out"
    test_fraction: float = 0.1


@dataclass(frozen=True, slots=True)
class Split:
    """The rule with its moments resolved: a `time` event at or after a moment (UTC µs) belongs to that part."""

    protocol: Protocol
    validation_us: int = 0
    test_us: int = 0

    def label(self, events: pl.DataFrame) -> pl.DataFrame:
        """Positive events of whole users, oldest first, with their `label`; adds no rows.

        Needs columns `user_id`, `item_id`, `event_type`, `timestamp_us`. Immediate repeats of an item are one
        event; a later repeat is CONTEXT: part of the history, never a target, since a seen item is never recommended.
        """
        negative = [event_type.value for event_type in NEGATIVE_TYPES]
        kept = events.filter(~pl.col("event_type").is_in(negative)).filter(
            (pl.col("item_id") != pl.col("item_id").shift(1).over("user_id")).fill_null(True)
        )
        target = pl.struct("user_id", "item_id").is_first_distinct()
        return kept.with_columns(target.alias("_target")).with_columns(self._label().alias("label")).drop("_target")

    def _label(self) -> pl.Expr:
        target, moment = pl.col("_target"), pl.col("timestamp_us")
        if self.protocol == "time":
            part = pl.when(moment >= self.test_us).then(TEST).when(moment >= self.validation_us).then(VALIDATION)
            return pl.when(~target).then(CONTEXT).otherwise(part.otherwise(TRAIN)).cast(pl.Int8)
        if self.protocol == "none":
            return pl.when(target).then(TRAIN).otherwise(CONTEXT).cast(pl.Int8)
        left = target.cast(pl.Int32).cum_sum(reverse=True).over("user_id")
        enough = target.sum().over("user_id") >= 3
        part = pl.when(enough & (left == 1)).then(TEST).when(enough & (left == 2)).then(VALIDATION)
        return pl.when(~target).then(CONTEXT).otherwise(part.otherwise(TRAIN)).cast(pl.Int8)


def resolve(config: SplitConfig, rows_by_date: dict[date, int]) -> Split:
    """Moments of a `time` split from the number of events on each day."""
    if config.protocol != "time":
        return Split(config.protocol)
    total = sum(rows_by_date.values())
    return Split(
        "time",
        validation_us=_start_of_last(rows_by_date, 2 * config.test_fraction * total),
        test_us=_start_of_last(rows_by_date, config.test_fraction * total),
    )


def _start_of_last(rows_by_date: dict[date, int], num_rows: float) -> int:
    """First microsecond of the shortest run of last days that holds at least `num_rows` events."""
    held = 0
    for day in sorted(rows_by_date, reverse=True):
        held += rows_by_date[day]
        if held >= num_rows:
            return int(datetime.combine(day, time(), timezone.utc).timestamp()) * 1_000_000
    return 0
