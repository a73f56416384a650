"""A bundle, a catalogue, a store and the tiers, without a router: what sources are asked about."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cluster.online import catalogue
from cluster.online.store import OnlineStore, open_store
from cluster.registry import Registry
from models.catalogue_entries import Kind, parse_entry
from models.events import EventType
from models.experiments import Variant
from models.recommender import Recommender
from models.user_state import HistoryEvent, UserState
from serve_apps.chain.deadline import Deadline
from serve_apps.chain.exclusion import Exclusion
from serve_apps.chain.frame import Frame
from serve_apps.chain.ladder import Ladder
from serve_apps.chain.messages import HomeQuery
from serve_apps.chain.sources.gather import Gathered, Sources
from serve_apps.chain.sources.source import Batch, HomeTask
from serve_apps.chain.task import Task
from serve_apps.chain.tools import Tools
from serve_apps.live.bundles import LiveBundles
from serve_apps.live.catalogue import LiveCatalogue
from serve_apps.live.item_view import ItemView
from serve_apps.live.trending import LiveTrending
from serve_apps.tiers.ranking import Ranking
from serve_apps.tiers.retrieval import Retrieval
from tests.serve_apps.graph import Counted, MakeRanker, MakeRetriever
from tests.serve_apps.sample_bundle import publish

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
PATIENT_MS = 120_000
"""Other tests may share the machine."""
NEW = {4: 10, 9: 1, 33: 80, 41: 400}
"""Items that were released so many days before `NOW`; of the others it is not known."""


@dataclass(frozen=True)
class World:
    """What sources read."""

    store: OnlineStore
    tools: Tools
    measures: Counted
    sources: Sources

    @property
    def recommender(self) -> Recommender:
        return self.tools.bundles.champion

    @property
    def view(self) -> ItemView:
        return self.tools.catalogue.view(self.recommender)

    def put(self, item_id: str, **fields: object) -> None:
        """Put an item, and let the views know."""
        catalogue.put(self.store.catalogue, Kind.ITEM, [(item_id, parse_entry(Kind.ITEM, fields))])
        self.tools.catalogue.catch_up([self.recommender], self.store.catalogue.version(Kind.ITEM))

    def task(self, user: UserState, filter: str | None = None, **fields: object) -> HomeTask:
        """A question for a home row."""
        query = HomeQuery(user.user_id, 20, filter=filter)
        task = Task(0, query, user, Variant("v", 1.0), **fields)  # type: ignore[arg-type]
        task.fits = self.tools.catalogue.fits([self.recommender], [filter]) if filter else None
        return task

    def batch(self, *tasks: HomeTask, timeout_ms: int = PATIENT_MS) -> Batch:
        return self.sources.batch(self.recommender, tasks, Deadline.after(timeout_ms))

    def gather(self, batch: Batch, wanted: Sequence[Sequence[str]]) -> Gathered:
        return asyncio.run(self.sources.gather(batch, wanted))


@contextmanager
def open_world(
    folder: Path, retrieval: MakeRetriever = Retrieval, ranking: MakeRanker = Ranking, seen: bool = True
) -> Iterator[World]:
    """A world of 60 items in a folder of its own."""
    registry = Registry(str(folder / "registry"))
    if registry.champion() is None:
        publish(registry, "v1", released={n: (NOW - timedelta(days=days)).date() for n, days in NEW.items()})
        registry.promote("v1")
    store = open_store(f"sqlite:///{folder / 'online.db'}")
    bundles, live, trending = LiveBundles(registry.uri), LiveCatalogue(store.catalogue), LiveTrending(store)
    bundles.before_each(live.prepare)
    exclusion, measures = Exclusion(seen), Counted()
    ladder = Ladder(bundles, live, trending, exclusion)
    tools = Tools(bundles, live, exclusion, retrieval(bundles), ranking(bundles), ladder, trending, Frame(measures))
    try:
        yield World(store, tools, measures, Sources(tools))
    finally:
        bundles.close()
        trending.close()
        live.close()
        store.close()


def somebody(
    events: Sequence[tuple[str, str]], country: str | None = None, attributes: Mapping[str, str] | None = None
) -> UserState:
    """A user of whom these (item, event type) are known, the newest last, a minute apart."""
    start = NOW - timedelta(minutes=len(events))
    at = [int((start + timedelta(minutes=n)).timestamp() * 1e6) for n in range(len(events))]
    history = tuple(
        HistoryEvent(item_id, EventType(kind), time_us) for (item_id, kind), time_us in zip(events, at, strict=True)
    )
    return UserState("somebody", NOW, history, country, attributes or {})
