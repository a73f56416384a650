"""Counting training events by item and period, for `CountsAsOf`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import polars as pl
import pyarrow as pa
import ray
from ray.data import Dataset

from models.vocabulary import Vocabulary
from pipelines.learning.data.corpus import explode
from pipelines.learning.data.counts_as_of import CountsAsOf, Periods
from pipelines.learning.data.split import TRAIN, Split


def counts_as_of(all_sequences: Dataset, split: Split, items: Vocabulary) -> CountsAsOf | None:
    """Count the training events of a timed log; memory is one number an item and period with an event.

    None when they are all of one moment: nothing came before anything.
    """
    spans = _by_block(all_sequences, time_span, split=split)
    first, last = spans.select(pl.col("first_us").min(), pl.col("last_us").max()).row(0)
    if first is None or first == last:
        return None
    periods = Periods.of(first, last)
    frame = _by_block(all_sequences, count_by_period, split=split, periods=periods)
    summed = frame.group_by("item_id", "period").agg(pl.col("count").sum()).sort("item_id", "period")
    rows = items.lookup(summed["item_id"].to_arrow())
    return CountsAsOf(periods, rows, summed["period"].to_numpy(), summed["count"].to_numpy())


def time_span(block: pa.Table, split: Split) -> pa.Table:
    """First and last moment of a block's training events, null without any."""
    moment = pl.col("timestamp_us")
    return _trained(block, split).select(moment.min().alias("first_us"), moment.max().alias("last_us")).to_arrow()


def count_by_period(block: pa.Table, split: Split, periods: Periods) -> pa.Table:
    """Training events by item and period from a block of sequences."""
    period = (pl.col("timestamp_us") - periods.start_us) // periods.length_us
    grouped = _trained(block, split).group_by("item_id", period.cast(pl.Int64).alias("period"))
    return grouped.agg(pl.len().cast(pl.Int64).alias("count")).to_arrow()


def _trained(block: pa.Table, split: Split) -> pl.DataFrame:
    """Training events; of an incremental run those that it does not repeat as well, since popularity has them all."""
    return Split.label(split, explode(block)).filter(pl.col("label") == TRAIN)


def _by_block(all_sequences: Dataset, task: Callable[..., pa.Table], **arguments: Any) -> pl.DataFrame:
    """What `task` makes of every block, end to end."""
    made = all_sequences.map_batches(task, fn_kwargs=arguments, batch_format="pyarrow", batch_size=None)
    return pl.concat([pl.DataFrame(part) for part in ray.get(made.to_arrow_refs())])
