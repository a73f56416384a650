"""Users hashed to buckets: all rows of a user come together in one task, in an order that a seed decides."""

from __future__ import annotations

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import ray

_ROWS_A_BUCKET, _MOST_ROWS_A_BUCKET = 125_000, 1_000_000
"""A task takes some 3 kB a row while it runs. Past `_MANY` buckets they grow: every task that shuffles cuts a part for
each.
"""
_FEW, _ENOUGH, _MANY = 2, 8, 4_096
_ROWS_TO_DIVIDE = 25_000


def buckets_for(num_rows: int) -> int:
    """How many buckets so many rows take: each is a task, and a small log would only pay for processes to start."""
    few = min(_ENOUGH, _FEW + num_rows // _ROWS_TO_DIVIDE)
    return max(few, min(_MANY, num_rows // _ROWS_A_BUCKET), num_rows // _MOST_ROWS_A_BUCKET)


def bucketed(
    rows: pa.Table, num_buckets: int, seed: int, schema: pa.Schema, wanted: ray.ObjectRef | None = None
) -> pa.Table:
    """Rows in the one layout of `schema`, with the bucket of their user; a column that they lack is null."""
    if wanted is not None:
        rows = rows.filter(pc.is_in(rows["user_id"], value_set=ray.get(wanted)))
    columns = [
        rows[field.name].cast(field.type) if field.name in rows.column_names else pa.nulls(len(rows), field.type)
        for field in schema
    ]
    hashes = pl.Series(rows["user_id"].to_pandas()).hash(seed=seed)
    bucket = (hashes % num_buckets).cast(pl.Int64).to_arrow()
    return pa.Table.from_arrays([*columns, bucket], names=[*schema.names, "bucket"])
