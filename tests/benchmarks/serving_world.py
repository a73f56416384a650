"""What the benchmarks of serving ask about: a registry of demo size, and a store that knows every user."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cluster.online.store import OnlineUser, open_store
from cluster.registry import Registry
from models.events import EventType
from models.seeds import generator
from models.user_state import HistoryEvent
from tests.serve_apps.running_server import RunningServer
from tests.serve_apps.sample_bundle import publish

NUM_ITEMS, NUM_USERS, HISTORY = 2_000, 1_000, 30
DEPLOYMENTS = ("Gateway", "Router", "Retrieval", "Ranking")


def demo_registry(folder: Path, versions: int = 1) -> Registry:
    """Bundles `v1 …` of demo size with rankers; `v1` is the champion."""
    registry = Registry(str(folder))
    for number in range(1, versions + 1):
        publish(registry, f"v{number}", NUM_ITEMS, NUM_USERS, seed=number)
    registry.promote("v1")
    return registry


def warm_store(url: str, history: int = HISTORY) -> None:
    """Have the store know `NUM_USERS` users by so many clicks each, an hour apart."""
    random = generator(7, "histories")
    start = datetime.now(UTC) - timedelta(hours=history)
    users = {}
    for n in range(NUM_USERS):
        items = random.choice(NUM_ITEMS, history, replace=False)
        times = [int((start + timedelta(hours=hour)).timestamp() * 1e6) for hour in range(history)]
        events = (HistoryEvent(f"i{item}", EventType.CLICK, at) for item, at in zip(items, times, strict=True))
        users[f"u{n}"] = OnlineUser(tuple(events), "NO")
    store = open_store(url)
    store.warm(users)
    store.close()


def seconds(variable: str, full: float) -> float:
    """A duration that the environment may shorten to try a benchmark quickly."""
    return float(os.environ.get(variable, full))


def wait_until(holds: Callable[[], bool], within_s: float, what: str) -> float:
    """Seconds until it holds; fails when it does not."""
    started = time.monotonic()
    while not holds():
        assert time.monotonic() - started < within_s, f"not within {within_s:g} s: {what}"
        time.sleep(0.1)
    return time.monotonic() - started


def replica_counts(server: RunningServer) -> dict[str, int]:
    """How many replicas each deployment has."""
    return {name: len(server.replicas(name)) for name in DEPLOYMENTS}
