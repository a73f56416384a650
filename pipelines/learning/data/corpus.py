"""What a run learns from: sequences, split, catalogue, vocabularies and counts, all as of one version of the lake."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import ray
from ray.data import Dataset

from cluster.delta.lake import Lake
from models.errors import ConfigError
from models.events import UNTIMED_DATE
from models.item_table import SCHEMA, ItemTable
from models.popularity import HALF_LIFE_DAYS
from models.tables import Table
from models.vocabulary import Vocabulary
from pipelines.learning.data.sequences import SEQUENCE, sequences
from pipelines.learning.data.split import TRAIN, Split, SplitConfig, resolve
from pipelines.learning.impressions.ranking_facts import RankingFacts
from pipelines.recipes import Recipe

_US_PER_DAY = 86_400_000_000
_ROWS_HELD = 200_000
"""Counts of several blocks that are summed together, beside as many as there are items."""


@dataclass(frozen=True, slots=True)
class Corpus:
    """`popular`: time-decayed counts by country and item row; `snapshot`: what the manifest says of the data.

    `ordered` False: some events have no time, so a user's events are a set and not a sequence. `ranking`: what a
    ranker learns from beside this.
    """

    sequences: Dataset
    split: Split
    items: ItemTable
    users: Vocabulary
    popular: pl.DataFrame
    snapshot: dict[str, Any]
    ordered: bool
    ranking: RankingFacts | None = None


def load_corpus(recipe: Recipe, lake: Lake) -> Corpus:
    """Read a pinned lake; `ConfigError` when the recipe needs an order that the log does not have."""
    rows_by_date = lake.rows_by_date(Table.INTERACTIONS)
    if not rows_by_date and not recipe.needs_events and lake.num_rows(Table.ITEMS):
        return _items_alone(recipe, lake)
    num_untimed = rows_by_date.get(UNTIMED_DATE, 0)
    _check_order(recipe, num_untimed)
    split = split_of(recipe.split, lake)
    all_sequences = sequences(lake, recipe.seed, recommendations=split.by_recommendation).materialize()
    counts, users = _count(all_sequences, split, _end_us(max(rows_by_date)))
    items = _catalogue(lake, counts)
    rows = pl.DataFrame({"item_id": items.ids}).with_row_index("item_row").cast({"item_row": pl.Int64})
    popular = counts.filter(pl.col("count") > 0).join(rows, on="item_id").select("country", "item_row", "score")
    snapshot = {
        "lake": lake.uri,
        "versions": lake.versions,
        "num_interactions": sum(rows_by_date.values()),
        "num_users": len(users),
        "num_items": len(items),
        "first_date": min(rows_by_date).isoformat(),
        "last_date": max(rows_by_date).isoformat(),
    }
    vocabulary = Vocabulary(users, recipe.features.user_buckets)
    return Corpus(all_sequences, split, items, vocabulary, popular, snapshot, num_untimed == 0)


def _items_alone(recipe: Recipe, lake: Lake) -> Corpus:
    """The corpus of a lake that holds items and no interactions: no users, nothing popular, no dates."""
    counts = pl.DataFrame(schema={"country": pl.String, "item_id": pl.String, "count": pl.Int64})
    items = _catalogue(lake, counts)
    popular = pl.DataFrame(schema={"country": pl.String, "item_row": pl.Int64, "score": pl.Float64})
    snapshot = {
        "lake": lake.uri,
        "versions": lake.versions,
        "num_interactions": 0,
        "num_users": 0,
        "num_items": len(items),
        "first_date": None,
        "last_date": None,
    }
    none = ray.data.from_arrow(SEQUENCE.empty_table())
    nobody = Vocabulary([], recipe.features.user_buckets)
    return Corpus(none, split_of(recipe.split, lake), items, nobody, popular, snapshot, ordered=True)


def split_of(config: SplitConfig, lake: Lake) -> Split:
    """The split of a pinned lake."""
    return resolve(config, lake.rows_by_date(Table.INTERACTIONS))


def explode(block: pa.Table) -> pl.DataFrame:
    """One row an event from a block of sequences, users and times in order; `country` is what was known before it.

    `attributes` are the user's at every event.
    """
    frame = pl.DataFrame(block).drop("country")
    names = {
        "item_ids": "item_id",
        "event_types": "event_type",
        "timestamps_us": "timestamp_us",
        "countries": "country",
        "recommendation_ids": "recommendation_id",
    }
    given = {theirs: ours for theirs, ours in names.items() if theirs in frame.columns}
    return frame.rename(given).explode(*given.values())


def count_events(block: pa.Table, split: Split, end_us: int) -> pa.Table:
    """By user, country and item: training events (`count`) and their time-decayed sum; 0 for items only held out.

    Two tables in one, told apart by the column that is null: by `country` and `item_id` (`count`, `score`), and
    the users with a training event. An event's weight halves every `HALF_LIFE_DAYS` before the last day of the log.
    """
    events = split.label(explode(block))
    age_days = (pl.lit(end_us) - pl.col("timestamp_us")) / _US_PER_DAY
    trained = pl.col("label") == TRAIN
    weight = pl.when(trained).then((-age_days * np.log(2) / HALF_LIFE_DAYS).exp()).otherwise(0.0)
    by_item = events.group_by("country", "item_id").agg(
        trained.sum().cast(pl.Int64).alias("count"), weight.sum().alias("score")
    )
    users = events.filter(trained).select(pl.col("user_id").unique(maintain_order=True))
    return pl.concat([by_item, users], how="diagonal").to_arrow()


def _count(all_sequences: Dataset, split: Split, end_us: int) -> tuple[pl.DataFrame, pa.Array]:
    counted = all_sequences.map_batches(
        count_events, fn_kwargs={"split": split, "end_us": end_us}, batch_format="pyarrow", batch_size=None
    )
    held: list[pl.DataFrame] = []
    users: list[pl.Series] = []
    room = _ROWS_HELD
    for ref in counted.to_arrow_refs():  # blocks share most of their items; each user is in one
        both = pl.DataFrame(ray.get(ref))
        users.append(both["user_id"].drop_nulls())
        held.append(both.filter(pl.col("item_id").is_not_null()).drop("user_id"))
        if sum(map(len, held)) > room:
            held = [_summed(held)]
            room = 2 * len(held[0]) + _ROWS_HELD
    return _summed(held).sort("country", "item_id"), pl.concat(users).sort().to_arrow()


def _summed(counts: list[pl.DataFrame]) -> pl.DataFrame:
    """One row a country and item."""
    return pl.concat(counts).group_by("country", "item_id").agg(pl.col("count").sum(), pl.col("score").sum())


def _catalogue(lake: Lake, counts: pl.DataFrame) -> ItemTable:
    """Every item of the items table and every item with an event, in the order of their ids."""
    known = pl.DataFrame(lake.read(Table.ITEMS, [name for name in SCHEMA.names if name != "num_interactions"]))
    totals = counts.group_by("item_id").agg(pl.col("count").sum().alias("num_interactions"))
    joined = known.join(totals, on="item_id", how="full", coalesce=True).with_columns(
        pl.col("num_interactions").fill_null(0)
    )
    return ItemTable(joined.sort("item_id").select(SCHEMA.names).to_arrow())


def _check_order(recipe: Recipe, num_untimed: int) -> None:
    if not num_untimed:
        return
    if recipe.needs_order:
        raise ConfigError(
            f"recipe {recipe.name} learns from the order of events, but {num_untimed:,} of them have no time. "
            "Ingest a log with times, or take a recipe that needs none: two_tower, als, item_knn"
        )
    if recipe.split.protocol == "time":
        raise ConfigError("a time split needs times. Use --set split.protocol=leave_last_out")


def _end_us(last: date) -> int:
    return int(datetime(last.year, last.month, last.day, tzinfo=UTC).timestamp() * 1e6) + _US_PER_DAY
