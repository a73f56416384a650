"""User–item pairs of a file: Parquet, or anything else read as CSV with a header. Ids become text."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from models.errors import InputError, SchemaError

PAIR = ("user_id", "item_id")


def read_pairs(path: Path, columns: Sequence[str] = PAIR) -> pl.DataFrame:
    """The columns of the file, ids as text, in its order; rows without a user or an item are left out.

    `InputError` for a file that cannot be read or holds no pair, `SchemaError` for one that lacks a column.
    """
    try:
        is_parquet = path.suffix == ".parquet"
        frame = pl.read_parquet(path) if is_parquet else pl.read_csv(path, infer_schema=False)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise InputError(f"file {path} cannot be read: {error}. Give a Parquet file, or CSV with a header.") from error
    if missing := [name for name in columns if name not in frame.columns]:
        seen = ", ".join(frame.columns)
        raise SchemaError(f"file {path} lacks the columns {', '.join(missing)}; it has {seen}. Rename its columns.")
    pairs = frame.select(columns).with_columns(pl.col(PAIR).cast(pl.String)).drop_nulls(PAIR)
    if pairs.is_empty():
        raise InputError(f"file {path} holds no pair of a user and an item. Give a row for each pair.")
    return pairs
