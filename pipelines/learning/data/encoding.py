"""From sequences of ids to sequences of rows with labels: what examples are made from."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import ray
import ray.data
from numpy.typing import NDArray
from ray.data import Dataset
from ray.data.block import BlockAccessor

from models.features import FeatureSpec
from models.profiles import parse_attributes
from models.vocabulary import Vocabulary
from pipelines.learning.data.corpus import Corpus, explode
from pipelines.learning.data.examples import Order
from pipelines.learning.data.split import Split
from pipelines.recipes import Recipe


def encode(
    block: pa.Table, items: Vocabulary, users: Vocabulary, spec: FeatureSpec, split: Split
) -> dict[str, NDArray[np.generic]]:
    """Columns `user_row`, `profile_rows` and, oldest first, the lists `item_rows`, `labels`, `timestamps_us`,
    `country_rows`.
    """
    events = split.label(explode(block))
    countries = {country: spec.country(country) for country in events["country"].unique()}
    encoded = (
        events.with_columns(
            pl.Series("item_row", items.lookup(events["item_id"].to_arrow())),
            pl.col("country").replace_strict(countries, return_dtype=pl.Int64).alias("country_row"),
        )
        .group_by("user_id", maintain_order=True)
        .agg("item_row", "label", "timestamp_us", "country_row", pl.col("attributes").first())
    )
    return {
        "user_row": users.buckets(encoded["user_id"].to_arrow()),
        "profile_rows": spec.profiles([parse_attributes(text) for text in encoded["attributes"]]),
        "item_rows": _lists(encoded["item_row"], np.int32),
        "labels": _lists(encoded["label"], np.int8),
        "timestamps_us": _lists(encoded["timestamp_us"], np.int64),
        "country_rows": _lists(encoded["country_row"], np.int32),
    }


def encode_block(block: pa.Table, items: ray.ObjectRef, users: ray.ObjectRef, **options: Any) -> dict[str, Any]:
    """`encode` as a Ray Data task: the vocabularies come by reference, once a node."""
    return encode(block, ray.get(items), ray.get(users), **options)


def order_of(recipe: Recipe, corpus: Corpus) -> Order:
    """What the order of a user's events means to an example."""
    if not corpus.ordered:
        return "none"
    return "given" if recipe.split.protocol == "given" else "time"


def encoded_sequences(recipe: Recipe, corpus: Corpus) -> Dataset:
    """Every user's encoded sequence, the blocks in an order that a seed repeats: what training streams from."""
    items, users = ray.put(corpus.items.vocabulary), ray.put(corpus.users)
    encoded = corpus.sequences.map_batches(
        encode_block,
        batch_format="pyarrow",
        batch_size=None,
        fn_kwargs={"items": items, "users": users, "spec": recipe.features, "split": corpus.split},
    )
    return in_order(encoded)


def in_order(encoded: Dataset) -> Dataset:
    """The blocks by their least user, whatever order their tasks ended in: a seed then repeats a run."""
    blocks = encoded.to_arrow_refs()
    places = ray.get([_place_task.remote(block) for block in blocks])
    return ray.data.from_arrow_refs([blocks[at] for at in sorted(range(len(blocks)), key=places.__getitem__)])


def place(block: pa.Table) -> tuple[int, bytes]:
    """Least user row, and a digest of what the block holds: users without training events share the last rows, so that
    blocks of these alone may have the same least row.
    """
    if not len(block):
        return -1, b""
    columns = BlockAccessor.for_block(block).to_numpy()  # it knows how Ray Data lays lists out in Arrow
    digest = hashlib.sha256()
    for name in sorted(columns):
        for values in columns[name]:
            digest.update(np.ascontiguousarray(values).tobytes())
    return int(columns["user_row"].min()), digest.digest()


@ray.remote  # type: ignore[untyped-decorator]
def _place_task(block: pa.Table) -> tuple[int, bytes]:
    return place(block)


def _lists(column: pl.Series, dtype: type[np.generic]) -> NDArray[np.generic]:
    values = column.explode().to_numpy().astype(dtype)
    lists = np.empty(len(column), dtype=object)
    lists[:] = np.split(values, np.cumsum(column.list.len().to_numpy())[:-1]) if len(column) else []
    return lists
