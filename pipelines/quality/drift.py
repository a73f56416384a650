"""The population stability index: how far this week's shares are from last week's.

PSI = Σ (p − q) · ln(p / q) over the buckets, p and q their shares in either week. By the usual reading it is no shift
below 0.1 and a major one above 0.25: Siddiqi, "Credit Risk Scorecards" (Wiley, 2006). Half an event is added to each
bucket, so that an empty one has a finite weight.
"""

from __future__ import annotations

import numpy as np
import polars as pl

NUM_BUCKETS = 5
MAX_CATEGORIES = 20
"""Categories with the most events of either week; all others are one bucket."""
WEEKS = ["last_week", "this_week"]
EARLIER = "earlier"


def stability_index(last: np.ndarray, this: np.ndarray) -> float:
    """PSI of two arrays of counts by bucket, [num_buckets] each."""
    p, q = ((np.asarray(counts, np.float64) + 0.5) / (np.sum(counts) + 0.5 * len(counts)) for counts in (this, last))
    return float(np.sum((p - q) * np.log(p / q)))


def category_drift(counts: pl.DataFrame) -> float:
    """PSI over categories: one row each, with the columns `last_week` and `this_week`."""
    ordered = counts.sort(pl.sum_horizontal(WEEKS), descending=True)
    rest = ordered.slice(MAX_CATEGORIES).select(WEEKS).sum()
    last, this = pl.concat([ordered.head(MAX_CATEGORIES).select(WEEKS), rest]).to_numpy().T
    return stability_index(last, this)


def popularity_drift(items: pl.DataFrame) -> float:
    """PSI over popularity buckets: one row an item, with its events `earlier` too.

    The most popular items that had a fifth of the earlier events are the first bucket, the next fifth the second, and
    so on; items without an earlier event are the last.
    """
    ordered = items.sort(EARLIER, descending=True)
    before = pl.col(EARLIER).cum_sum() - pl.col(EARLIER)
    bucket = (before * NUM_BUCKETS // pl.col(EARLIER).sum()).clip(0, NUM_BUCKETS - 1)
    placed = ordered.with_columns(
        pl.when(pl.col(EARLIER) > 0).then(bucket).otherwise(NUM_BUCKETS).cast(pl.Int64).alias("bucket")
    )
    every = pl.DataFrame({"bucket": range(NUM_BUCKETS + 1)}, schema={"bucket": pl.Int64})
    summed = placed.group_by("bucket").agg(pl.col(name).sum() for name in WEEKS)
    last, this = every.join(summed, on="bucket", how="left").sort("bucket").select(WEEKS).fill_null(0).to_numpy().T
    return stability_index(last, this)
