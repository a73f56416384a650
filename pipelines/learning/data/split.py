"""Which events of a user are trained on, which validate and which test. Training and evaluation use this one rule."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timezone
from typing import Literal

import polars as pl

from models.errors import ConfigError
from models.events import NEGATIVE_TYPES
from pipelines.learning.data.given_split import read_given

Protocol = Literal["leave_last_out", "time", "given", "none"]

CONTEXT, TRAIN, VALIDATION, TEST = -1, 0, 1, 2
_VALIDATION_SHARE = 0.1


@dataclass(frozen=True, slots=True)
class SplitConfig:
    """`leave_last_out`: a user's last new item tests, the one before validates (users of 3 items or more).

    `time`: the last `test_fraction` of all events, in whole days, tests; as much before it validates.
    `given`: the user-item pairs of the file `given` test or validate, as its column `part` says (without one, all
    test); when it names no validation pairs, a tenth of the others validates, chosen by a hash. A file with a column
    `recommendation_id` holds out lists as they were shown, with the events that answer them.
    `none`: everything is trained on and nothing is held out.

    `validation` False: what would validate is trained on too, for a last fit with settings that were chosen before.
    """

    protocol: Protocol = "leave_last_out"
    test_fraction: float = 0.1
    given: str = ""
    validation: bool = True


@dataclass(frozen=True, slots=True)
class Split:
    """The rule with its moments resolved: a `time` event at or after a moment (UTC µs) belongs to that part.

    `given`: columns `user_id`, `item_id` (or `recommendation_id`), `part` (int8) of the `given` protocol.
    """

    protocol: Protocol
    validation_us: int = 0
    test_us: int = 0
    given: pl.DataFrame | None = None
    validation: bool = True

    def label(self, events: pl.DataFrame) -> pl.DataFrame:
        """Positive events of whole users, oldest first, with their `label`; adds no rows.

        Needs columns `user_id`, `item_id`, `event_type`, `timestamp_us`, and `recommendation_id` for a split by it.
        Immediate repeats of an item are one event; a later repeat is CONTEXT: part of the history, never a target,
        since a seen item is never recommended.
        """
        negative = [event_type.value for event_type in NEGATIVE_TYPES]
        kept = events.filter(~pl.col("event_type").is_in(negative)).filter(
            (pl.col("item_id") != pl.col("item_id").shift(1).over("user_id")).fill_null(True)
        )
        # A split of lists may hold out one meeting of a user and an item and train on another.
        target = pl.struct("user_id", "item_id", *(["part"] if self.by_recommendation else [])).is_first_distinct()
        if self.given is not None:
            kept = self._with_given(kept)
        labelled = kept.with_columns(target.alias("_target")).with_columns(
            pl.when("_target").then(self._part()).otherwise(CONTEXT).cast(pl.Int8).alias("label")
        )
        if not self.validation:
            labelled = labelled.with_columns(pl.col("label").replace(VALIDATION, TRAIN))
        return labelled.drop("_target", "part", strict=False)

    @property
    def by_recommendation(self) -> bool:
        """True when the parts are lists as they were shown."""
        return self.given is not None and "recommendation_id" in self.given.columns

    def label_impressions(self, shown: pl.DataFrame) -> pl.DataFrame:
        """Shown items with their `label`, in the same order. What answers a held-out event is held out with it.

        Needs `user_id`, `item_id`, `recommendation_id`, `timestamp_us` (when it was shown), `answered` (the greatest
        label of the events that answer the list, or null), `validation_us` and `test_us` (of the user's held-out
        events, or null).
        """
        if self.given is not None:
            labelled = self._with_given(shown).with_columns(self._given_part().alias("label")).drop("part")
        else:
            moment, validation, test = pl.col("timestamp_us"), pl.lit(None, pl.Int64), pl.lit(None, pl.Int64)
            if self.protocol == "time":
                validation, test = pl.lit(self.validation_us), pl.lit(self.test_us)
            elif self.protocol == "leave_last_out":
                validation, test = pl.col("validation_us"), pl.col("test_us")
            by_moment = pl.when(moment >= test).then(TEST).when(moment >= validation).then(VALIDATION).otherwise(TRAIN)
            labelled = shown.with_columns(pl.max_horizontal(by_moment, "answered", pl.lit(TRAIN)).alias("label"))
        if not self.validation:
            labelled = labelled.with_columns(pl.col("label").replace(VALIDATION, TRAIN))
        return labelled.cast({"label": pl.Int8})

    def _with_given(self, rows: pl.DataFrame) -> pl.DataFrame:
        assert self.given is not None
        keys = [name for name in self.given.columns if name != "part"]
        if missing := set(keys) - set(rows.columns):
            raise ConfigError(f"a split by {', '.join(missing)} is for rankers; give user-item pairs for this.")
        return rows.join(self.given, on=keys, how="left", maintain_order="left")

    def _part(self) -> pl.Expr:
        """The part of a target event."""
        if self.protocol == "given":
            return self._given_part()
        if self.protocol == "time":
            moment = pl.col("timestamp_us")
            late = pl.when(moment >= self.test_us).then(TEST).when(moment >= self.validation_us).then(VALIDATION)
            return late.otherwise(TRAIN)
        if self.protocol == "none":
            return pl.lit(TRAIN)
        left = pl.col("_target").cast(pl.Int32).cum_sum(reverse=True).over("user_id")
        enough = pl.col("_target").sum().over("user_id") >= 3
        return pl.when(enough & (left == 1)).then(TEST).when(enough & (left == 2)).then(VALIDATION).otherwise(TRAIN)

    def _given_part(self) -> pl.Expr:
        assert self.given is not None
        named = pl.col("part").fill_null(TRAIN)
        if (self.given["part"] == VALIDATION).any():
            return named
        drawn = (
            pl.struct(name for name in self.given.columns if name != "part").hash(seed=1) % 1_000
            < 1_000 * _VALIDATION_SHARE
        )
        return pl.when((named == TRAIN) & drawn).then(VALIDATION).otherwise(named)


def resolve(config: SplitConfig, rows_by_date: dict[date, int]) -> Split:
    """Moments of a `time` split from the number of events on each day; pairs of a `given` split from its file."""
    if config.protocol == "given":
        return Split("given", given=read_given(config.given), validation=config.validation)
    if config.protocol != "time":
        return Split(config.protocol, validation=config.validation)
    total = sum(rows_by_date.values())
    return Split(
        "time",
        validation_us=_start_of_last(rows_by_date, 2 * config.test_fraction * total),
        test_us=_start_of_last(rows_by_date, config.test_fraction * total),
        validation=config.validation,
    )


def _start_of_last(rows_by_date: dict[date, int], num_rows: float) -> int:
    """First microsecond of the shortest run of last days that holds at least `num_rows` events."""
    held = 0
    for day in sorted(rows_by_date, reverse=True):
        held += rows_by_date[day]
        if held >= num_rows:
            return int(datetime.combine(day, time(), timezone.utc).timestamp()) * 1_000_000
    return 0
