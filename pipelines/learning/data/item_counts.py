"""Counting training events by item and period, for `CountsAsOf`."""

from __future__ import annotations

import polars as pl
import pyarrow as pa
import ray
from ray.data import Dataset

from models.vocabulary import Vocabulary
from pipelines.learning.data.corpus import explode
from pipelines.learning.data.counts_as_of import CountsAsOf, Periods
from pipelines.learning.data.split import TRAIN, Split


def counts_as_of(all_sequences: Dataset, split: Split, items: Vocabulary, first_us: int, last_us: int) -> CountsAsOf:
    """Count the training events of a timed log; memory is one number an item and period with an event."""
    periods = Periods.of(first_us, last_us)
    counted = all_sequences.map_batches(
        count_by_period, fn_kwargs={"split": split, "periods": periods}, batch_format="pyarrow", batch_size=None
    )
    frame = pl.concat([pl.DataFrame(t) for t in ray.get(counted.to_arrow_refs())])
    summed = frame.group_by("item_id", "period").agg(pl.col("count").sum()).sort("item_id", "period")
    rows = items.lookup(summed["item_id"].to_arrow())
    return CountsAsOf(periods, rows, summed["period"].to_numpy(), summed["count"].to_numpy())


def count_by_period(block: pa.Table, split: Split, periods: Periods) -> pa.Table:
    """Training events by item and period from a block of sequences."""
    period = ((pl.col("timestamp_us") - periods.start_us) // periods.length_us).clip(0, periods.num - 1)
    events = split.label(explode(block)).filter(pl.col("label") == TRAIN)
    grouped = events.group_by("item_id", period.cast(pl.Int64).alias("period"))
    return grouped.agg(pl.len().cast(pl.Int64).alias("count")).to_arrow()
