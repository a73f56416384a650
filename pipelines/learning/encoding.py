"""From sequences of ids to sequences of rows with labels: what examples are made from."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import ray
from numpy.typing import NDArray

from models.features import FeatureSpec
from models.vocabulary import Vocabulary
from pipelines.learning.corpus import explode
from pipelines.learning.split import Split


def encode(
    block: pa.Table, items: Vocabulary, users: Vocabulary, spec: FeatureSpec, split: Split
) -> dict[str, NDArray[np.generic]]:
    """Columns `user_row` and, oldest first, the lists `item_rows`, `labels`, `timestamps_us`, `country_rows`."""
    events = split.label(explode(block))
    countries = {country: spec.country(country) for country in events["country"].unique()}
    encoded = (
        events.with_columns(
            pl.Series("item_row", items.lookup(events["item_id"].to_arrow())),
            pl.col("country").replace_strict(countries, return_dtype=pl.Int64).alias("country_row"),
        )
        .group_by("user_id", maintain_order=True)
        .agg("item_row", "label", "timestamp_us", "country_row")
    )
    return {
        "user_row": np.asarray([users.bucket(user) for user in encoded["user_id"]], np.int64),
        "item_rows": _lists(encoded["item_row"], np.int32),
        "labels": _lists(encoded["label"], np.int8),
        "timestamps_us": _lists(encoded["timestamp_us"], np.int64),
        "country_rows": _lists(encoded["country_row"], np.int32),
    }


def encode_block(block: pa.Table, items: ray.ObjectRef, users: ray.ObjectRef, **options: Any) -> dict[str, Any]:
    """`encode` as a Ray Data task: the vocabularies come by reference, once a node."""
    return encode(block, ray.get(items), ray.get(users), **options)


def _lists(column: pl.Series, dtype: type[np.generic]) -> NDArray[np.generic]:
    values = column.explode().to_numpy().astype(dtype)
    lists = np.empty(len(column), dtype=object)
    lists[:] = np.split(values, np.cumsum(column.list.len().to_numpy())[:-1]) if len(column) else []
    return lists
