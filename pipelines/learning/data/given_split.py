"""The file of a `given` split: which user-item pairs, or which recommendations, are held out, and for what."""

from __future__ import annotations

import io

import polars as pl

from cluster.storage import Folder
from models.errors import ConfigError, InputError, SchemaError

PARTS = {"train": 0, "validation": 1, "test": 2}


def read_given(uri: str) -> pl.DataFrame:
    """Columns `user_id`, `item_id`, `part` (0 train, 1 validation, 2 test), each pair once, from Parquet or CSV.

    A file with a column `recommendation_id` gives that instead of pairs: whole lists as they were shown.
    """
    if not uri:
        raise ConfigError("split.protocol given needs a file of pairs. Add --set split.given=PATH")
    folder, _, name = uri.rpartition("/")
    data = Folder(folder or ".").read(name)
    if data is None:
        raise InputError(f"the split file {uri} does not exist. Check split.given.")
    try:
        pairs = pl.read_parquet(io.BytesIO(data)) if uri.endswith(".parquet") else pl.read_csv(data, infer_schema=False)
    except pl.exceptions.PolarsError as error:
        raise InputError(f"the split file {uri} cannot be read: {error}. Give Parquet or CSV.") from error
    keys = ["recommendation_id"] if "recommendation_id" in pairs.columns else ["user_id", "item_id"]
    missing = set(keys) - set(pairs.columns)
    if missing:
        raise SchemaError(
            f"the split file {uri} lacks {', '.join(sorted(missing))}; it has {', '.join(pairs.columns)}."
        )
    if "part" not in pairs.columns:
        pairs = pairs.with_columns(pl.lit("test").alias("part"))
    unknown = set(pairs["part"].unique()) - set(PARTS)
    if unknown:
        raise InputError(f"the split file {uri} has parts {sorted(map(str, unknown))}. Use {', '.join(PARTS)}.")
    return pairs.select(
        pl.col(keys).cast(pl.String), pl.col("part").replace_strict(PARTS, return_dtype=pl.Int8)
    ).unique(keys, keep="last", maintain_order=True)
