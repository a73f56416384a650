"""The demo's pipeline: events into the lake, two models trained, evaluated, published; the online store warmed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

import polars as pl
from rich.console import Console

from cluster.delta.lake import Lake
from cluster.online.store import open_store
from cluster.registry import Registry
from cluster.settings import Settings
from models.events import EventType
from models.tables import Table
from pipelines.ingestion.ingesting import IngestOptions, ingest
from pipelines.learning.trainer import train
from pipelines.online.warm import warm
from pipelines.publication.publish import Published, publish
from pipelines.recipes import load_recipe
from pipelines.session import data_session
from pipelines.showcase.story import Person
from pipelines.synthesis.config import WorldConfig
from pipelines.synthesis.world import make_world

_MAX_CASES = 3_000
_PEOPLE = 40
_MIN_HISTORY = 10
# The demo shows that the whole path works; a better model takes more epochs.
_EPOCHS = ("training.epochs=3", "training.validation_users=1000", "training.refit=false")
_RANKER_EPOCHS = ("training.epochs=1", "training.validation_users=1000", "model.num_negatives=4")
_EXPERIMENT = """\
# Half of the users get the popular items, half the model: POST what they do, and compare.
salt = "demo"

[[variants]]
name = "popularity"
weight = 50
source = "popularity"

[[variants]]
name = "model"
weight = 50
source = "model"
"""


@dataclass(frozen=True, slots=True)
class Source:
    """What to take in: a path of the user's, or None for a synthetic world."""

    path: str | None
    options: IngestOptions


def build(console: Console, settings: Settings, source: Source) -> Published:
    """Everything before serving."""
    lake, registry = Lake(settings.lake_uri), Registry(settings.registry_uri)
    with data_session():
        path = source.path
        if path is None:
            with _step(console, "A world of users with known tastes"):
                made = make_world(settings.home / "world", WorldConfig(seed=settings.seed))
                console.print(f"{made.num_users:,} users, {made.num_items:,} items, {made.num_events:,} events")
                path = str(made.folder)
        with _step(console, "Ingest into the lake"):
            console.print(str(ingest(path, lake, source.options)))
        with _step(console, "Train candidate retrieval (two_tower)"):
            retrieval = train(load_recipe("two_tower", _EPOCHS), lake, settings.runs_uri)
        with _step(console, "Train the ranker"):
            ranker = train(load_recipe("ranker", _RANKER_EPOCHS), lake, settings.runs_uri)
        with _step(console, "Evaluate and publish"):
            published = publish(retrieval.uri, ranker.uri, lake, registry, max_cases=_MAX_CASES)
        with _step(console, "Warm the online store"):
            store = open_store(settings.store_url)
            console.print(f"{warm(lake, store):,} interactions read")
            store.close()
    return published


def write_experiment(settings: Settings) -> Path:
    """The experiments file of the demo: popularity against the model."""
    path = settings.home / "experiments.toml"
    path.write_text(_EXPERIMENT)
    return path


def people(settings: Settings) -> list[Person]:
    """Some users with a history, in a fixed order, with the titles of their newest items."""
    lake = Lake(settings.lake_uri)
    events = pl.DataFrame(lake.read(Table.INTERACTIONS, ["user_id", "item_id", "event_type", "timestamp"]))
    titles = pl.DataFrame(lake.read(Table.ITEMS, ["item_id", "title"]))
    liked = events.filter(~pl.col("event_type").is_in([EventType.DISLIKE.value, EventType.HIDE.value]))
    named = liked.join(titles, on="item_id", how="left").with_columns(pl.coalesce("title", "item_id").alias("name"))
    newest_first = named.sort("timestamp", descending=True).unique(
        ["user_id", "item_id"], keep="first", maintain_order=True
    )
    users = newest_first.group_by("user_id", maintain_order=True).agg("name")
    chosen = users.filter(pl.col("name").list.len() >= _MIN_HISTORY).sort("user_id").head(_PEOPLE)
    return [Person(user_id, tuple(names)) for user_id, names in chosen.iter_rows()]


@contextmanager
def _step(console: Console, title: str) -> Iterator[None]:
    console.rule(f"[bold]{title}", align="left")
    started = monotonic()
    yield
    console.print(f"[dim]{monotonic() - started:.1f} s")
