"""Make a world and write it: users.jsonl, items.jsonl and interactions.csv, as `shoal ingest FOLDER` takes them."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from datetime import time as clock
from pathlib import Path

import numpy as np
import polars as pl

from pipelines.synthesis.catalogue import Catalogue, make_catalogue
from pipelines.synthesis.choices import choose, make_visits
from pipelines.synthesis.config import WorldConfig
from pipelines.synthesis.funnel import TYPES, Events, make_events
from pipelines.synthesis.popularity import log_popularity
from pipelines.synthesis.population import Population, make_population
from pipelines.synthesis.words import COUNTRIES, DEVICES

_CHOICES_AN_EVENT = 0.8
"""Enough for any world: a choice has 1.8 events on average, and repeats are left out."""
_OTHER_DEVICE = 0.15


@dataclass(frozen=True, slots=True)
class WorldSummary:
    """What was written, and where."""

    folder: Path
    num_users: int
    num_items: int
    num_events: int
    seconds: float


def make_world(folder: Path, config: WorldConfig) -> WorldSummary:
    """Write the world of `config` into `folder` (made when missing); the same config gives the same bytes."""
    started = time.perf_counter()
    catalogue = make_catalogue(config)
    people = make_population(config, catalogue.genre_vectors)
    popular = log_popularity(config, catalogue)
    visits = make_visits(config, people, int(_CHOICES_AN_EVENT * config.num_events) + 16)
    events = make_events(config, catalogue, people, choose(config, catalogue, people, popular, visits))
    folder.mkdir(parents=True, exist_ok=True)
    _write_items(folder / "items.jsonl", config, catalogue)
    _write_users(folder / "users.jsonl", people)
    _write_events(folder / "interactions.csv", config, catalogue, people, events)
    seconds = time.perf_counter() - started
    return WorldSummary(folder, config.num_users, config.num_items, len(events.user), seconds)


def _write_items(path: Path, config: WorldConfig, catalogue: Catalogue) -> None:
    columns = zip(
        catalogue.ids, catalogue.titles, catalogue.genres, catalogue.tags, catalogue.released(config), strict=True
    )
    with path.open("w", encoding="utf-8") as file:
        for item_id, title, genres, tags, released in columns:
            item = {"item_id": item_id, "title": title, "categories": genres, "tags": tags}
            file.write(json.dumps({**item, "released": released.isoformat()}, ensure_ascii=False) + "\n")


def _write_users(path: Path, people: Population) -> None:
    columns = zip(people.ids, people.country, people.age, people.favourites, strict=True)
    with path.open("w", encoding="utf-8") as file:
        for user_id, country, age, favourites in columns:
            user = {"user_id": user_id, "country": COUNTRIES[country], "age": int(age), "favourites": favourites}
            file.write(json.dumps(user, ensure_ascii=False) + "\n")


def _write_events(path: Path, config: WorldConfig, catalogue: Catalogue, people: Population, events: Events) -> None:
    first = datetime.combine(config.end, clock()) - timedelta(days=config.num_days)
    # A session keeps one device, most often the user's own; which, follows from the session's number.
    other = (events.session * 2_654_435_761 % 1_000) < 1_000 * _OTHER_DEVICE
    device = np.where(other, events.session % len(DEVICES), people.device[events.user])
    pl.DataFrame(
        {
            "user_id": pl.Series(people.ids).gather(events.user),
            "item_id": pl.Series(catalogue.ids).gather(events.item),
            "event_type": pl.Series([str(kind) for kind in TYPES]).gather(events.type),
            "timestamp": _stamps(first, events),
            "rating": pl.Series(events.rating).fill_nan(None),
            "session_id": pl.Series(events.session).cast(pl.String).str.pad_start(7, "0").str.replace("^", "s"),
            "country": pl.Series(COUNTRIES).gather(people.country[events.user]),
            "device": pl.Series(DEVICES).gather(device),
        }
    ).write_csv(path)


def _stamps(first: datetime, events: Events) -> pl.Series:
    """ISO-8601, whole seconds, UTC."""
    since_first = pl.Series(events.second * 1_000_000).cast(pl.Duration("us"))
    return (since_first + first).dt.strftime("%Y-%m-%dT%H:%M:%SZ")
