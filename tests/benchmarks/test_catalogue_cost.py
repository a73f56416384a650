"""What the catalogue costs an answer: a fetch, an answer with nothing and with a tenth restricted, and its memory.

One process, SQLite, no server: batches of 32 home questions through router, retrieval and ranking. Prints figures;
asserts ratios within the run.
"""

from __future__ import annotations

import asyncio
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest

from cluster.online import catalogue
from cluster.online.store import OnlineStore, open_store
from cluster.registry import Registry
from models.catalogue_entries import Kind, parse_entry
from models.experiments import CHAMPION_FOR_ALL
from models.recommender import Recommender
from serve_apps.chain.messages import HomeQuery
from serve_apps.chain.router import Router
from serve_apps.live.bundles import LiveBundles
from serve_apps.live.catalogue import LiveCatalogue
from serve_apps.live.experiment import LiveExperiment
from serve_apps.live.item_view import ItemView
from serve_apps.tiers.ranking import Ranking
from serve_apps.tiers.retrieval import Retrieval
from tests.serve_apps.conftest import Counted
from tests.serve_apps.sample_bundle import publish

pytestmark = pytest.mark.slow

NUM_ITEMS, NUM_USERS, BATCH, ROUNDS = 2_000, 1_000, 32, 15
MAX_RATIO = 1.3
"""CPU of an answer beside a tenth of restricted items over one beside none: other work hardly moves it."""
NUM_CHANGES = 100_000
BYTES_AN_ITEM = 13


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Registry:
    registry = Registry(str(tmp_path_factory.mktemp("registry")))
    publish(registry, "v1", NUM_ITEMS, NUM_USERS)
    registry.promote("v1")
    return registry


@pytest.fixture
def store(tmp_path: Path) -> OnlineStore:
    return open_store(f"sqlite:///{tmp_path}/online.db")


def withdraw(store: OnlineStore, item_ids: list[str]) -> None:
    entry = parse_entry(Kind.ITEM, {"title": "A title of some words", "categories": ["c"], "available": False})
    catalogue.put(store.catalogue, Kind.ITEM, [(item_id, entry) for item_id in item_ids])


def test_an_answer_beside_restricted_items(registry: Registry, store: OnlineStore) -> None:
    bundles = LiveBundles(registry.uri)
    live = LiveExperiment(CHAMPION_FOR_ALL, bundles)
    router = Router(bundles, store, live, Retrieval(bundles), Ranking(bundles), Counted())
    batches = [
        [HomeQuery(f"u{(BATCH * n + m) % NUM_USERS}", 20, country="NO") for m in range(BATCH)] for n in range(ROUNDS)
    ]

    async def answer_all() -> float:
        await router.recommend(batches[0])
        started = time.process_time()
        for batch in batches:
            await router.recommend(batch)
        return 1_000 * (time.process_time() - started) / (ROUNDS * BATCH)

    user_ids = [query.user_id for query in batches[0]]
    fetch_us = 1_000_000 * _best(lambda: store.fetch(user_ids)) / BATCH
    none_ms = min(asyncio.run(answer_all()) for _ in range(3))
    withdraw(store, [f"i{n}" for n in range(0, NUM_ITEMS, 10)])
    tenth_ms = min(asyncio.run(answer_all()) for _ in range(3))
    router.close()
    bundles.close()
    store.close()
    print(
        f"\nfetch {fetch_us:.1f} µs a user; answer {none_ms:.3f} ms of CPU, beside a tenth restricted {tenth_ms:.3f} ms"
    )
    assert tenth_ms <= MAX_RATIO * none_ms


def test_the_memory_of_a_view_and_the_time_to_make_it(registry: Registry, store: OnlineStore) -> None:
    recommender = Recommender.load(registry.fetch("v1"), "v1")
    tracemalloc.start()
    view = ItemView(recommender)
    size, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    print(f"\na view takes {size / NUM_ITEMS:.1f} bytes an item of {NUM_ITEMS:,}")
    assert size < BYTES_AN_ITEM * NUM_ITEMS + 4_096
    assert not view.restricts
    for first in range(0, NUM_CHANGES, 10_000):
        withdraw(store, [f"i{n}" for n in range(first, first + 10_000)])
    started = time.perf_counter()
    LiveCatalogue(store.catalogue).prepare(recommender)
    took_s = time.perf_counter() - started
    print(f"made from {NUM_CHANGES:,} restricted items in {took_s:.2f} s")
    store.close()


def _best(work: Callable[[], object]) -> float:
    times = []
    for _ in range(200):
        started = time.perf_counter()
        work()
        times.append(time.perf_counter() - started)
    return min(times)
