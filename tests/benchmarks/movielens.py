"""MovieLens-1M from the folder of real data, as events, items and texts."""

from __future__ import annotations

import gzip
import json
from datetime import UTC, datetime
from pathlib import Path

import polars as pl

from cluster.delta.lake import Lake
from models.catalogue import ITEMS
from models.events import INTERACTIONS, EventType
from models.tables import Table


def read_events(folder: Path) -> pl.DataFrame:
    """Columns `user_id`, `item_id` (text), `timestamp`, and `position` of the event among its user's, oldest first."""
    log = pl.read_parquet(folder / "interactions.parquet").rename({"movie_id": "item_id"})
    return log.select(
        pl.col("user_id", "item_id").cast(pl.String),
        pl.from_epoch("timestamp", time_unit="s").dt.replace_time_zone("UTC").dt.cast_time_unit("us"),
        pl.int_range(pl.len()).over("user_id").alias("position"),
    )


def read_items(folder: Path) -> pl.DataFrame:
    """Columns `item_id`, `title`, `categories`, `description` (null for a seventh of them)."""
    lines = (folder / "movies.dat").read_text(encoding="latin-1").splitlines()
    ids, titles, genres = zip(*(line.split("::") for line in lines), strict=True)
    abstracts = json.loads(gzip.decompress((folder / "abstracts.dbpedia.json.gz").read_bytes()))
    columns = {"item_id": ids, "title": titles, "description": [abstracts.get(movie) for movie in ids]}
    categories = pl.Series("categories", [names.split("|") for names in genres])
    return pl.DataFrame(columns).with_columns(categories)


def write_lake(folder: Path, lake: Lake) -> None:
    """Append the events as clicks, and the items."""
    events = read_events(folder).with_columns(
        pl.format("{}-{}", "user_id", pl.col("position").cast(pl.String).str.zfill(5)).alias("interaction_id"),
        pl.lit(EventType.CLICK.value).alias("event_type"),
        pl.col("timestamp").dt.date().alias("date"),
    )
    items = read_items(folder).with_columns(pl.lit(datetime(2026, 1, 1, tzinfo=UTC)).alias("updated_at"))
    for table, rows, schema in ((Table.INTERACTIONS, events, INTERACTIONS), (Table.ITEMS, items, ITEMS)):
        absent = [pl.lit(None).alias(name) for name in schema.names if name not in rows.columns]
        lake.append(table, rows.with_columns(absent).select(schema.names).to_arrow().cast(schema))
