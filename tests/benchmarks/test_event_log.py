"""The event log at full size: kills, a million random events, freshness, throughput over HTTP. Prints its figures.

`BENCHMARK_KILLS` (10), `BENCHMARK_LOG_EVENTS` (1e6) and `BENCHMARK_POSTS` (300) make it smaller.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import orjson
import pytest

from cluster.consuming.consumer import ConsumeOptions, Consumer
from cluster.delta.lake import Lake
from cluster.online.store import OnlineStore, open_store
from cluster.registry import Registry
from models.tables import Table
from serve_apps.http.api import InteractionBody
from tests.benchmarks.sizes import sizes
from tests.cluster.consuming.gateway_process import HOST, cpu_s, gateway
from tests.cluster.consuming.gateway_storm import kill_gateways
from tests.cluster.consuming.random_events import BATCH
from tests.cluster.consuming.storm import Outcome, kill_consumers, kill_redis, kill_writers
from tests.cluster.consuming.test_reference import lake_after
from tests.cluster.redis.redis_server import start
from tests.serve_apps.sample_bundle import publish

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3_600)]

[NUM_KILLS] = sizes("BENCHMARK_KILLS", [10])
[NUM_EVENTS] = sizes("BENCHMARK_LOG_EVENTS", [1_000_000])
[NUM_POSTS] = sizes("BENCHMARK_POSTS", [300])
TURN, NUM_TURNS = 10 * BATCH, 12
MIN_HTTP_RATIO = 0.35
MAX_READ_P99_S, MAX_LAKE_P99_S, MAX_TRENDING_P99_S = 0.05, 10.0, 5.0


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(str(tmp_path / "lake"))


@pytest.fixture(params=["sqlite", "redis"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A fresh store; Redis with `appendfsync always`, as durable as the SQLite file."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/online.db"
        return
    (tmp_path / "redis").mkdir()
    with start(tmp_path / "redis", appendfsync="always") as (_, address):
        yield address


def _check(name: str, outcome: Outcome) -> None:
    print(
        f"\n{name} killed {NUM_KILLS} times: {len(outcome.acknowledged):,} events acknowledged, "
        f"{outcome.num_lost} lost, {outcome.num_duplicated} more than once in the lake, "
        f"{outcome.num_counted - len(outcome.in_lake)} miscounted"
    )
    assert (outcome.num_lost, outcome.num_duplicated) == (0, 0)
    assert outcome.num_counted == len(outcome.in_lake)


def test_killed_consumers(url: str, lake: Lake) -> None:
    _check(f"consumers of {url.partition(':')[0]}", kill_consumers(url, lake, NUM_KILLS))


def test_killed_writers_of_the_sqlite_file(tmp_path: Path, lake: Lake) -> None:
    _check("sqlite writers", kill_writers(f"sqlite:///{tmp_path}/online.db", lake, NUM_KILLS))


def test_killed_redis_server(tmp_path: Path, lake: Lake) -> None:
    (tmp_path / "redis").mkdir()
    _check("redis-server", kill_redis(tmp_path / "redis", lake, NUM_KILLS))


def test_killed_gateway_replicas(url: str, tmp_path: Path) -> None:
    """The whole server, batches of events through HAProxy; what is not acknowledged is posted again."""
    registry = Registry(str(tmp_path / "registry"))
    publish(registry, "v1")
    registry.promote("v1")
    outcome, num_again = kill_gateways(url, tmp_path, registry.uri, NUM_KILLS)
    _check(f"gateway replicas over {url.partition(':')[0]}", outcome)
    print(f"{num_again} posts were sent again")


def test_random_events_through_http(url: str, lake: Lake) -> None:
    started = time.perf_counter()
    found, expected = lake_after(url, lake, NUM_EVENTS, 600)
    took_s = time.perf_counter() - started
    print(
        f"\n{url.partition(':')[0]}: {NUM_EVENTS:,} events through HTTP into the lake in {took_s:.0f} s, check included"
    )
    assert found.equals(expected)


def _event(name: str, number: int, **fields: Any) -> dict[str, Any]:
    return {
        "interaction_id": f"{name}-{number}",
        "user_id": f"user-{number % 500}",
        "item_id": f"{name}-item-{number % 997}",
        "event_type": "click",
        "country": "NO",
        "timestamp": "2026-01-31T12:00:00Z",
        **fields,
    }


def _post(connection: HTTPConnection, events: list[dict[str, Any]]) -> None:
    connection.request("POST", "/api/interactions", orjson.dumps(events), {"Content-Type": "application/json"})
    answer = connection.getresponse()
    body = orjson.loads(answer.read())
    assert (answer.status, body["accepted"]) == (200, len(events)), body


def _p99(values: list[float]) -> float:
    return sorted(values)[int(0.99 * (len(values) - 1))]


def test_freshness(url: str, lake: Lake) -> None:
    """Posts 50 ms apart; each is looked for in its user's history, among the counters and in the lake."""
    store, consumer = open_store(url), Consumer(url, lake.uri, ConsumeOptions())
    read_s: list[float] = []
    sent: dict[str, float] = {}
    watchers = [
        _Watcher(sent, lambda waiting: _counted(store, waiting)),
        _Watcher(sent, lambda waiting: _moved(lake, waiting)),
    ]
    with gateway(url) as (port, _):
        connection = HTTPConnection(HOST, port)
        for number in range(NUM_POSTS):
            item = f"fresh-{number}"
            posted = time.monotonic()
            _post(connection, [_event("fresh", number, item_id=item, user_id=f"user-{number}")])
            acknowledged = time.monotonic()
            assert store.users([f"user-{number}"])[0].history[-1].item_id == item
            read_s.append(time.monotonic() - acknowledged)
            sent[item] = posted
            time.sleep(0.05)
        counted, moved = (watcher.wait(NUM_POSTS) for watcher in watchers)
    consumer.stop()
    store.close()
    print(
        f"\n{url.partition(':')[0]}: p99 of acknowledgement → history {1_000 * _p99(read_s):.1f} ms, "
        f"post → trending {_p99(counted):.2f} s, post → lake {_p99(moved):.2f} s"
    )
    assert _p99(read_s) < MAX_READ_P99_S
    assert _p99(counted) < MAX_TRENDING_P99_S
    assert _p99(moved) < MAX_LAKE_P99_S


class _Watcher:
    """Notes when each item that was sent is first found."""

    def __init__(self, sent: dict[str, float], find: Callable[[list[str]], set[str]]) -> None:
        self._sent, self._find = sent, find
        self._ages: dict[str, float] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def wait(self, num: int) -> list[float]:
        """Seconds from the post to the finding of each, once all are found."""
        deadline = time.monotonic() + 60
        while len(self._ages) < num:
            assert time.monotonic() < deadline, f"{len(self._ages)} of {num} were found"
            time.sleep(0.1)
        self._stop.set()
        self._thread.join()
        return list(self._ages.values())

    def _watch(self) -> None:
        while not self._stop.wait(0.1):
            waiting = [item for item in list(self._sent) if item not in self._ages]
            for item in self._find(waiting) if waiting else ():
                self._ages[item] = time.monotonic() - self._sent[item]


def _counted(store: OnlineStore, waiting: list[str]) -> set[str]:
    return {item for item, counts in zip(waiting, store.item_counts(waiting), strict=True) if counts}


def _moved(lake: Lake, waiting: list[str]) -> set[str]:
    return set(waiting) & set(lake.read(Table.INTERACTIONS, ["item_id"])["item_id"].to_pylist())


def test_http_batches_against_a_bare_loop(url: str) -> None:
    """A durable, de-duplicated append of 500 events, by HTTP and by a loop in one process over the same store.

    They take turns of some batches, so that whatever else the disk does falls on both.
    """
    store = open_store(url)
    loop, http = Cost(), Cost()
    with gateway(url) as (port, pid):
        connections = [HTTPConnection(HOST, port) for _ in range(2)]
        for turn in range(NUM_TURNS + 1):
            numbers = range(turn * TURN, (turn + 1) * TURN, BATCH)
            events = [[_event("loop", n) for n in range(first, first + BATCH)] for first in numbers]
            batches = [[InteractionBody.model_validate(e).to_interaction() for e in batch] for batch in events]
            bodies = [orjson.dumps([_event("http", n) for n in range(first, first + BATCH)]) for first in numbers]
            with loop.measured(os.getpid(), count=turn > 0):
                for batch in batches:
                    assert all(store.append(batch))
            with http.measured(pid, count=turn > 0), ThreadPoolExecutor(2) as pool:
                for answer in pool.map(_send, connections, (bodies[::2], bodies[1::2])):
                    assert answer == []
    store.close()
    ratio, name, num = loop.wall_s / http.wall_s, url.partition(":")[0], NUM_TURNS * TURN
    print(
        f"\n{name}: HTTP {num / http.wall_s:,.0f} events/s, {1e6 * http.cpu_s / num:.0f} core-µs an event in its "
        f"gateway; bare loop {num / loop.wall_s:,.0f} events/s, {1e6 * loop.cpu_s / num:.0f} core-µs; ratio {ratio:.2f}"
    )
    assert ratio >= MIN_HTTP_RATIO


@dataclass
class Cost:
    """What the measured blocks took together."""

    wall_s: float = 0.0
    cpu_s: float = 0.0

    @contextmanager
    def measured(self, pid: int, *, count: bool) -> Iterator[None]:
        """Measure the block, and CPU seconds of one process meanwhile; what is not to `count` only warms up."""
        started, before = time.perf_counter(), cpu_s(pid)
        yield
        if count:
            self.wall_s += time.perf_counter() - started
            self.cpu_s += cpu_s(pid) - before


def _send(connection: HTTPConnection, bodies: list[bytes]) -> list[bytes]:
    """Post each; what was answered instead of "all accepted"."""
    wrong = []
    for body in bodies:
        connection.request("POST", "/api/interactions", body, {"Content-Type": "application/json"})
        answer = connection.getresponse().read()
        if not answer.startswith(b'{"accepted":%d,' % BATCH):
            wrong.append(answer[:200])
    return wrong
