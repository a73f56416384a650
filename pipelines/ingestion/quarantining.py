"""Bad rows to the quarantine table, each once however often its file is ingested."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
from ray.data import Dataset

from cluster.delta.lake import Lake
from models.events import derive_interaction_id
from models.quarantine import QUARANTINE
from models.tables import Table
from pipelines.ingestion.checking import REASON, RECORD
from pipelines.ingestion.chunks import ROW
from pipelines.ingestion.datasource import SPLIT, conform
from pipelines.ingestion.emails import masked
from pipelines.ingestion.loading import append_new
from pipelines.ingestion.splits import Split
from pipelines.ingestion.tally import Tally


def quarantine(rows: Dataset, tally: Tally, table: Table, splits: Sequence[Split], now: datetime, lake: Lake) -> int:
    """Keep the bad ones of `table`'s checked rows; how many were not there yet."""
    if not tally.num_records:
        return 0
    origin = pl.DataFrame(
        [(split.number, split.file.uri, tally.first_rows[split.number]) for split in splits],
        schema={SPLIT: pl.Int64, "source_file": pl.String, "before": pl.Int64},
        orient="row",
    )
    options = {"origin": origin, "table": table, "now": now}
    bad = rows.map_batches(to_quarantine, batch_format="pyarrow", batch_size=None, fn_kwargs=options)
    return append_new(bad, {None: tally.num_records}, lake, Table.QUARANTINE)


def to_quarantine(block: pa.Table, origin: pl.DataFrame, table: Table, now: datetime) -> pa.Table:
    """Rows of the quarantine table from the bad ones of a block of checked rows."""
    frame = pl.DataFrame(block.select([SPLIT, ROW, REASON, RECORD])).filter(pl.col(REASON).is_not_null())
    rows = frame.join(origin, on=SPLIT, how="left", maintain_order="left").select(
        pl.lit(table.value).alias("table"),
        "source_file",
        (pl.col(ROW) + pl.col("before")).alias("source_row"),
        masked(REASON).alias("reason") if table is Table.USERS else pl.col(REASON).alias("reason"),
        masked(RECORD).alias("record") if table is Table.USERS else pl.col(RECORD).alias("record"),
        pl.lit(now).cast(pl.Datetime("us", "UTC")).alias("quarantined_at"),
        SPLIT,
        ROW,
    )
    ids = [
        derive_interaction_id(*row) for row in rows.select("table", "source_file", "source_row", "reason").iter_rows()
    ]
    full = rows.with_columns(pl.Series("quarantine_id", ids, dtype=pl.String))
    return conform(full.select(*QUARANTINE.names, SPLIT, ROW), Table.QUARANTINE)


def good_rows(block: pa.Table) -> pa.Table:
    """The rows without a fault."""
    return block.filter(pc.is_null(block[REASON]))
