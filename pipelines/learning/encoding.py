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
    """Columns `user_row`, `country_row` and, oldest first, the lists `item_rows`, `labels`, `timestamps_us`."""
    events = split.label(explode(block))
    rows = items.lookup(events["item_id"].to_arrow())
    encoded = (
        events.with_columns(pl.Series("item_row", rows))
        .group_by("user_id", maintain_order=True)
        .agg(pl.col("country").first(), pl.col("item_row"), pl.col("label"), pl.col("timestamp_us"))
    )
    return {
        "user_row": np.asarray([users.bucket(user) for user in encoded["user_id"]], np.int64),
        "country_row": np.asarray([spec.country(country) for country in encoded["country"]], np.int64),
        "item_rows": _lists(encoded["item_row"], np.int32),
        "labels": _lists(encoded["label"], np.int8),
        "timestamps_us": _lists(encoded["timestamp_us"], np.int64),
    }


def encode_block(block: pa.Table, items: ray.ObjectRef, users: ray.ObjectRef, **options: Any) -> dict[str, Any]:
    """`encode` as a Ray Data task: the vocabularies come by reference, once a node."""
    return encode(block, ray.get(items), ray.get(users), **options)


def _lists(column: pl.Series, dtype: type[np.generic]) -> NDArray[np.generic]:
    values = column.explode().to_numpy().astype(dtype)
    lists = np.empty(len(column), dtype=object)
    lists[:] = np.split(values, np.cumsum(column.list.len().to_numpy())[:-1]) if len(column) else []
    return lists
