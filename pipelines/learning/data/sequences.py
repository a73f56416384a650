"""From the lake to one time-ordered sequence a user, by Ray Data: users are hashed to buckets, each bucket is one task.

Columns of a sequence: `user_id`, `country` (the newest known, may be null), `attributes` (the profile's JSON, may be
null) and, oldest first, the lists `item_ids`, `event_types`, `timestamps_us` (0 for an untimed event), `countries`
(what was known before each event, may be null) and, when asked for, `recommendation_ids` (what each event answers, may
be null). Since when a profile holds is not known: it counts from the first event on. People who refuse personalization
have no sequence, and neither have the events that were logged without an id.
"""

from __future__ import annotations

from collections.abc import Collection

import polars as pl
import pyarrow as pa
import ray
from ray.data import Dataset

from cluster.delta.lake import Lake
from models.errors import NotFoundError
from models.seeds import derive_seed
from models.tables import Table
from pipelines.learning.data.buckets import bucketed, buckets_for
from pipelines.learning.data.consent import willing

_EVENT_COLUMNS = ["user_id", "item_id", "event_type", "timestamp", "country", "interaction_id"]
_PROFILE_COLUMNS = ["user_id", "country", "attributes", "personalization"]
ROW = pa.schema(
    [
        *((n, pa.timestamp("us", "UTC") if n == "timestamp" else pa.string()) for n in [*_EVENT_COLUMNS, "attributes"]),
        ("personalization", pa.bool_()),
    ]
)
_RECOMMENDATION = pa.field("recommendation_id", pa.string())
SEQUENCE = pa.schema(
    [
        ("user_id", pa.string()),
        ("country", pa.string()),
        ("attributes", pa.string()),
        ("item_ids", pa.list_(pa.string())),
        ("event_types", pa.list_(pa.string())),
        ("timestamps_us", pa.list_(pa.int64())),
        ("countries", pa.list_(pa.string())),
    ]
)


def sequences(lake: Lake, seed: int, users: Collection[str] | None = None, *, recommendations: bool = False) -> Dataset:
    """Every user's sequence (or only those of `users`), in an order shuffled by `seed`. Lazy."""
    num_events = lake.num_rows(Table.INTERACTIONS)
    if num_events == 0:
        raise NotFoundError(f"the lake {lake.uri} holds no interactions. Ingest a log first: shoal ingest --help")
    num_buckets = buckets_for(num_events)
    wanted = ray.put(pa.array(sorted(users), pa.string())) if users is not None else None
    schema = ROW.append(_RECOMMENDATION) if recommendations else ROW
    asked = [*_EVENT_COLUMNS, *([_RECOMMENDATION.name] if recommendations else [])]
    rows = _read(lake, Table.INTERACTIONS, asked).map_batches(
        bucketed,
        batch_format="pyarrow",
        fn_kwargs={"num_buckets": num_buckets, "seed": seed, "wanted": wanted, "schema": schema},
        batch_size=None,
    )
    if lake.exists(Table.USERS):
        there = lake.columns(Table.USERS)
        profiles = _read(lake, Table.USERS, [name for name in _PROFILE_COLUMNS if name in there]).map_batches(
            bucketed,
            batch_format="pyarrow",
            fn_kwargs={"num_buckets": num_buckets, "seed": seed, "wanted": wanted, "schema": schema},
            batch_size=None,
        )
        rows = rows.union(profiles)
    return rows.groupby("bucket", num_partitions=num_buckets).map_groups(
        build, batch_format="pyarrow", fn_kwargs={"seed": seed}
    )


def build(rows: pa.Table, seed: int) -> pa.Table:
    """Sequences of one bucket's users. The country of the newest event that has one wins over the profile's."""
    frame = pl.from_arrow(rows)
    assert isinstance(frame, pl.DataFrame)
    frame = willing(frame)
    event = pl.col("item_id").is_not_null()
    # By id where the times are equal: blocks arrive in any order, and training and evaluation must see the same.
    events = frame.filter(event).sort("timestamp", "interaction_id", nulls_last=False)
    profiles = (
        frame.filter(~event)
        .group_by("user_id")
        .agg(pl.col("country").last().alias("profile"), pl.col("attributes").last())
    )
    known = (
        events.drop("attributes", "personalization")
        .join(profiles, on="user_id", how="left", maintain_order="left")
        .with_columns(pl.coalesce(pl.col("country").forward_fill().over("user_id"), "profile").alias("country_after"))
    )
    answers = _RECOMMENDATION.name in known.columns
    before = pl.col("country_after").shift(1).over("user_id")
    sequences = (
        known.with_columns(pl.coalesce(before, "profile").alias("country_before"))
        .group_by("user_id", maintain_order=True)
        .agg(
            pl.col("country_after").last().alias("country"),
            pl.col("attributes").last(),
            pl.col("item_id").alias("item_ids"),
            pl.col("event_type").alias("event_types"),
            pl.col("timestamp").dt.timestamp("us").fill_null(0).alias("timestamps_us"),
            pl.col("country_before").alias("countries"),
            *([pl.col(_RECOMMENDATION.name).alias("recommendation_ids")] if answers else []),
        )
    )
    shuffled = sequences.sort("user_id").sample(fraction=1.0, shuffle=True, seed=derive_seed(seed, "users"))
    lists = pa.list_(_RECOMMENDATION.type)
    return shuffled.to_arrow().cast(SEQUENCE.append(pa.field("recommendation_ids", lists)) if answers else SEQUENCE)


def _read(lake: Lake, table: Table, columns: list[str]) -> Dataset:
    return ray.data.read_delta(
        lake.table_uri(table), version=lake.version(table), storage_options=lake.storage_options, columns=columns
    )
