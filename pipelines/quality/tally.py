"""One pass over the events of a lake, a batch at a time, in the same memory for any number of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

import polars as pl
import pyarrow as pa

from cluster.delta.lake import Lake
from models.tables import Table
from pipelines.quality.drift import EARLIER, WEEKS
from pipelines.quality.key_sample import KeySample

PERIODS = [EARLIER, *WEEKS]
NULLABLE = ["timestamp", "rating", "session_id", "recommendation_id", "position", "country", "device", "context"]
_COLUMNS = ["interaction_id", "user_id", "item_id", "event_type", *NULLABLE, "date"]
_ROWS_A_BATCH = 500_000
_SEED = 1


def _by_period() -> KeySample:
    return KeySample(PERIODS)


def _times() -> KeySample:
    return KeySample(["num"])


@dataclass(slots=True)
class Tally:
    """Counts of the events of some days; the last seven of them are this week, the seven before that last week."""

    last_day: date
    now: datetime
    num_events: int = 0
    num_future: int = 0
    max_lead_s: float = 0.0
    by_day: list[pl.DataFrame] = field(default_factory=list)
    nulls: list[pl.DataFrame] = field(default_factory=list)
    users: KeySample = field(default_factory=_by_period)
    items: KeySample = field(default_factory=_by_period)
    countries: KeySample = field(default_factory=_by_period)
    ids: KeySample = field(default_factory=_times)
    repeats: KeySample = field(default_factory=_times)

    def add(self, events: pl.DataFrame) -> None:
        """Count a batch with the columns of `_COLUMNS`."""
        week = timedelta(7)
        period = (
            pl.when(pl.col("date") > self.last_day - week)
            .then(pl.lit(WEEKS[1]))
            .when(pl.col("date") > self.last_day - 2 * week)
            .then(pl.lit(WEEKS[0]))
            .otherwise(pl.lit(EARLIER))
        )
        events = events.with_columns(period.alias("period"))
        self.num_events += len(events)
        self._count_future(events)
        num = pl.len().cast(pl.Int64).alias("num")
        self.by_day.append(events.group_by("date", "event_type").agg(num))
        self.nulls.append(events.group_by("period").agg(num, pl.col(NULLABLE).null_count().cast(pl.Int64)))
        for name, sample in (("user_id", self.users), ("item_id", self.items), ("country", self.countries)):
            known = events.filter(pl.col(name).is_not_null())
            counted = [(pl.col("period") == name).sum().cast(pl.Int64).alias(name) for name in PERIODS]
            sample.add(known.group_by(hashed(name).alias("key")).agg(counted))
        whole = ["user_id", "item_id", "event_type", "timestamp"]
        for names, sample in ((["date", "interaction_id"], self.ids), (whole, self.repeats)):
            keys = pl.struct(names).hash(_SEED).alias("key")
            sample.add(events.group_by(keys).agg(num))

    def _count_future(self, events: pl.DataFrame) -> None:
        future = events.filter(pl.col("timestamp") > self.now)["timestamp"]
        self.num_future += len(future)
        if (latest := future.max()) is not None:
            assert isinstance(latest, datetime)
            self.max_lead_s = max(self.max_lead_s, (latest - self.now).total_seconds())


def hashed(name: str) -> pl.Expr:
    """An id as 64 bits."""
    return pl.col(name).hash(_SEED)


def tally(lake: Lake, first_day: date | None, last_day: date, now: datetime) -> Tally:
    """Count the events from `first_day` on (None: all) of a lake whose newest events are of `last_day`."""
    counted = Tally(last_day, now)
    pending: list[pa.RecordBatch] = []
    num_rows = 0
    since = [("date", ">=", first_day.isoformat())] if first_day else None
    for batch in lake.batches(Table.INTERACTIONS, _COLUMNS, since):
        pending.append(batch)
        num_rows += batch.num_rows
        if num_rows >= _ROWS_A_BATCH:
            counted.add(pl.DataFrame(pa.Table.from_batches(pending)))
            pending, num_rows = [], 0
    if num_rows:
        counted.add(pl.DataFrame(pa.Table.from_batches(pending)))
    return counted
