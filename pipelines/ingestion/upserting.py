"""Users and items into the lake: rows that are new, and rows whose content changed."""

from __future__ import annotations

import polars as pl
import pyarrow as pa
from ray.data import Dataset

from cluster.lake import Lake
from models.tables import TABLES, Table
from pipelines.ingestion.catalogue_rows import merge_items, merge_users
from pipelines.ingestion.chunks import ROW
from pipelines.ingestion.datasource import SPLIT
from pipelines.ingestion.emails import SEALED, sealed

_ROWS_A_BUCKET = 1_000_000
"""Rows that the driver holds at a time."""
_BUCKET = "_bucket"
_KEPT, _BEFORE = ("personalization", SEALED), "_before"


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
            merged = with_kept(sealed(merged), lake)
        num_changed += lake.upsert(table, merged.to_arrow())
    return num_changed


def with_kept(users: pl.DataFrame, lake: Lake) -> pl.DataFrame:
    """The rows with the consent and the address that the lake has of users where these rows are silent."""
    there = [name for name in _KEPT if name in lake.columns(Table.USERS)]
    if not there:
        return users
    known = pl.DataFrame(lake.read(Table.USERS, ["user_id", *there]))
    joined = users.join(known, on="user_id", how="left", suffix=_BEFORE, maintain_order="left")
    return joined.with_columns(pl.coalesce(name, name + _BEFORE) for name in there).select(users.columns)


def into_buckets(block: pa.Table, key: str, num_buckets: int) -> pa.Table:
    """The block with the bucket of each row's key."""
    bucket = pl.DataFrame(block.select([key])).select(pl.col(key).hash(seed=1) % num_buckets).to_series()
    return block.append_column(_BUCKET, bucket.cast(pl.Int64).to_arrow())
