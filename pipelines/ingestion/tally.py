"""What came out of every split, in numbers small enough for the driver."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import polars as pl
import pyarrow as pa
import ray
from ray.data import Dataset

from pipelines.ingestion.checking import REASON
from pipelines.ingestion.chunks import ROW
from pipelines.ingestion.datasource import NUM_ROWS, SPLIT
from pipelines.ingestion.splits import Split

_KIND, _DAY = "kind", "date"


@dataclass(frozen=True, slots=True)
class Tally:
    """`days`: good rows by day (None in a table without days). `bad`: bad rows by what was wrong.

    `first_rows`: by split, how many rows of its file lie before it. `num_bad_rows` counts quarantine records.
    """

    num_read: int
    days: dict[date | None, int]
    bad: Counter[str]
    first_rows: dict[int, int]
    num_records: int
    num_unreadable_files: int

    @property
    def num_good(self) -> int:
        """Rows that passed every check."""
        return sum(self.days.values())


def count(rows: Dataset, splits: Sequence[Split]) -> Tally:
    """Count checked rows, which are materialized."""
    counted = rows.map_batches(count_block, batch_format="pyarrow", batch_size=None)
    parts = [pl.DataFrame(part) for part in ray.get(counted.to_arrow_refs())]
    counts = pl.concat(parts).group_by(SPLIT, _DAY, _KIND, "placed").agg(pl.col("rows").sum(), pl.col("records").sum())
    good = counts.filter(pl.col(_KIND).is_null())
    bad = counts.filter(pl.col(_KIND).is_not_null())
    by_kind = bad.group_by(_KIND).agg(pl.col("rows").sum()).sort(_KIND)
    by_split = dict(counts.filter("placed").group_by(SPLIT).agg(pl.col("rows").sum()).iter_rows())
    unreadable = bad.filter(~pl.col("placed"))[SPLIT].unique().to_list()
    return Tally(
        num_read=int(counts["rows"].sum()),
        days=dict(good.group_by(_DAY).agg(pl.col("rows").sum()).iter_rows()),
        bad=Counter(dict(by_kind.iter_rows())),
        first_rows=_first_rows(splits, by_split),
        num_records=int(bad["records"].sum()),
        num_unreadable_files=len({splits[number].file.uri for number in unreadable}),
    )


def count_block(block: pa.Table) -> pa.Table:
    """Rows of one block by split, day and kind of fault."""
    names = [SPLIT, ROW, NUM_ROWS, REASON, *([_DAY] if _DAY in block.column_names else [])]
    frame = pl.DataFrame(block.select(names))
    day = pl.col(_DAY) if _DAY in names else pl.lit(None, pl.Date).alias(_DAY)
    kind = pl.col(REASON).str.extract(r"^([^:]*):").alias(_KIND)
    day = pl.when(pl.col(REASON).is_null()).then(day).alias(_DAY)
    grouped = frame.group_by(SPLIT, day, kind, pl.col(ROW).is_not_null().alias("placed"))
    return grouped.agg(pl.col(NUM_ROWS).sum().alias("rows"), pl.len().cast(pl.Int64).alias("records")).to_arrow()


def _first_rows(splits: Sequence[Split], by_split: dict[int, int]) -> dict[int, int]:
    first, before, uri = {}, 0, None
    for split in splits:
        before = before if split.file.uri == uri else 0
        uri = split.file.uri
        first[split.number] = before
        before += by_split.get(split.number, 0)
    return first
