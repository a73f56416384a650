"""Users and items into the lake: rows that are new, and rows whose content changed."""

from __future__ import annotations

import polars as pl
import pyarrow as pa
from ray.data import Dataset

from cluster.delta.lake import Lake
from models.tables import TABLES, Table
from pipelines.ingestion.catalogue_rows import merge_items, merge_users
from pipelines.ingestion.chunks import ROW
from pipelines.ingestion.datasource import SPLIT
from pipelines.ingestion.emails import SEALED, sealed

_ROWS_A_BUCKET = 1_000_000
"""Rows that the driver holds at a time."""
_BUCKET = "_bucket"
_STANDING = {
    Table.ITEMS: ["available", "expires_at", "countries", "deleted_at"],
    Table.USERS: ["personalization", "deleted_at", SEALED],
}
"""Columns that outlive an ingest which does not give them: what was withdrawn by HTTP stays so."""


def upsert_rows(rows: Dataset, num_rows: int, lake: Lake, table: Table) -> int:
    """Upsert good checked rows; how many keys changed the lake.

    All rows of a key are merged before: a commit a bucket of keys, and the same source again changes nothing.
    """
    num_buckets = -(-num_rows // _ROWS_A_BUCKET) or 1
    if num_buckets == 1:
        buckets = rows.repartition(1)
    else:
        options = {"key": TABLES[table].key, "num_buckets": num_buckets}
        placed = rows.map_batches(into_buckets, batch_format="pyarrow", batch_size=None, fn_kwargs=options)
        buckets = placed.repartition(num_buckets, keys=[_BUCKET])
    num_changed = 0
    for batch in buckets.iter_batches(batch_size=None, batch_format="pyarrow"):
        if not batch.num_rows:
            continue
        ordered = pl.DataFrame(batch).sort(SPLIT, ROW)
        merged = merge_items(ordered) if table is Table.ITEMS else merge_users(ordered)
        if table is Table.USERS:
            merged = sealed(merged)
        merged = with_standing(merged, lake, table)
        num_changed += lake.upsert(table, merged.to_arrow())
    return num_changed


def with_standing(rows: pl.DataFrame, lake: Lake, table: Table) -> pl.DataFrame:
    """The rows, what the lake says of their availability or consent kept where a source does not speak of it."""
    key, names = TABLES[table].key, _STANDING[table]
    keys = rows.select(key)
    said = pl.any_horizontal(pl.col(names).is_not_null())
    batches = (pl.DataFrame(batch).filter(said) for batch in lake.batches(table, [key, *names]))
    kept = [part for batch in batches if len(part := batch.join(keys, on=key, how="semi"))]
    if not kept:
        return rows
    joined = rows.join(pl.concat(kept), on=key, how="left", suffix="_kept", maintain_order="left")
    return joined.select(
        pl.coalesce(name, f"{name}_kept").alias(name) if name in names else pl.col(name) for name in rows.columns
    )


def into_buckets(block: pa.Table, key: str, num_buckets: int) -> pa.Table:
    """The block with the bucket of each row's key."""
    bucket = pl.DataFrame(block.select([key])).select(pl.col(key).hash(seed=1) % num_buckets).to_series()
    return block.append_column(_BUCKET, bucket.cast(pl.Int64).to_arrow())
