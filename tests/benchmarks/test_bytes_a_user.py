"""What a user costs the online store, and so how many Redis shards hold all of them. Prints a table and a plot.

A user here has 200 events (one in twenty a dislike, items of 12 bytes), a country and two attributes. Sizes are those
of the whole store less those of an empty one: the pages of the SQLite file that are in use, `used_memory` of a
redis-server. `BENCHMARK_USERS=1e4,1e5,1e6` chooses how many.
"""

from __future__ import annotations

import random
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import redis

from cluster.consuming.drain import drain
from cluster.delta.lake import Lake
from cluster.online.store import HISTORY_LIMIT, SEEN_WINDOW_S, OnlineStore, OnlineUser
from cluster.redis.store import RedisStore
from cluster.sqlite.store import SqliteStore
from models.events import EventType, Interaction
from models.user_state import HistoryEvent
from tests.benchmarks.sizes import plot, sizes
from tests.cluster.online.store_suite import START
from tests.cluster.redis.redis_server import start

pytestmark = [pytest.mark.slow, pytest.mark.timeout(7_200)]

MAX_BYTES = {"redis": 7_500, "sqlite": 8_500}
MAX_RATIO = 1.15
"""Of the bytes a user at two sizes, and of a store that events were appended to beside one that was warmed."""
SHARD_BYTES = 64 << 30
ALL_USERS = 100_000_000
NUM_ITEMS = 10_000_000
NUM_FEW = NUM_HISTORIES = 1_000
NUM_COUNTED = 20
"""Items that appended events are of: few, since each has counters in every partition, which are no cost of a user."""
WARM_USERS = 250
APPEND_EVENTS = 2_000
NO_WINDOW_S = 0.001
ATTRIBUTES = {"age": "35-44", "gender": "f"}

Measured = tuple[OnlineStore, Callable[[], int]]
Opened = Callable[[float], AbstractContextManager[Measured]]
"""A fresh store with the given de-duplication window, and what tells its bytes."""

HALF_LIFE_S = 21_600.0


def history(number: int) -> tuple[HistoryEvent, ...]:
    """The events of one user, oldest first, some hours apart. A thousand histories go round: their sizes are alike."""
    return _history(number % NUM_HISTORIES)


@cache
def _history(number: int) -> tuple[HistoryEvent, ...]:
    chance = random.Random(number)
    now_us, events = int(START.timestamp()) * 1_000_000, []
    for place in range(HISTORY_LIMIT):
        now_us += chance.randrange(1_000_000, 40_000_000_000)
        kind = EventType.DISLIKE if place % 20 == 0 else EventType.CLICK
        events.append(HistoryEvent(f"item-{chance.randrange(NUM_ITEMS):07}", kind, now_us))
    return tuple(events)


def name(number: int) -> str:
    return f"user-{number:08}"


def warm(store: OnlineStore, num_users: int) -> None:
    for first in range(0, num_users, WARM_USERS):
        numbers = range(first, min(first + WARM_USERS, num_users))
        store.warm({name(n): OnlineUser(history(n), "NL", ATTRIBUTES) for n in numbers})


def append(store: OnlineStore, num_users: int) -> None:
    """The same users event by event, as they would come: everybody's first, then everybody's second. Counters too."""
    store.warm({name(n): OnlineUser((), "NL", ATTRIBUTES) for n in range(num_users)})
    columns = zip(*(history(n) for n in range(num_users)), strict=True)
    events = [(n, event) for column in columns for n, event in enumerate(column)]
    for first in range(0, len(events), APPEND_EVENTS):
        store.append([_interaction(n, event) for n, event in events[first : first + APPEND_EVENTS]])
    with TemporaryDirectory() as folder:
        drain(store, Lake(folder), HALF_LIFE_S)


def _interaction(number: int, event: HistoryEvent) -> Interaction:
    moment = START.fromtimestamp(event.timestamp_us / 1e6, START.tzinfo)
    return Interaction(
        interaction_id=f"{number}-{event.timestamp_us}",
        user_id=name(number),
        item_id=f"item-{int(event.item_id.removeprefix('item-')) % NUM_COUNTED:07}",
        event_type=event.event_type,
        timestamp=moment,
    )


def sqlite(folder: Path) -> Opened:
    @contextmanager
    def opened(window_s: float) -> Iterator[Measured]:
        path = folder / f"{time.monotonic_ns()}.db"
        store = SqliteStore(str(path), window_s)
        yield store, lambda: _pages(path)
        store.close()
        path.unlink()

    return opened


def _pages(path: Path) -> int:
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        names = ("page_count", "freelist_count", "page_size")
        count, free, size = (db.execute(f"PRAGMA {name}").fetchone()[0] for name in names)
    return int((count - free) * size)


def redis_server(folder: Path) -> Opened:
    @contextmanager
    def opened(window_s: float) -> Iterator[Measured]:
        home = folder / str(time.monotonic_ns())
        home.mkdir()
        with start(home) as (_, url), redis.Redis.from_url(url) as client:
            client.config_set("appendonly", "no")  # the fill is measured, not kept
            store = RedisStore(url, window_s)
            yield store, lambda: _used_memory(client)
            store.close()

    return opened


def _used_memory(client: redis.Redis) -> int:
    for _ in client.scan_iter(count=10_000):  # what has expired is freed when it is met
        pass
    return int(client.info("memory")["used_memory"])


def bytes_a_user(opened: Opened, num_users: int, fill: Callable[[OnlineStore, int], None], window_s: float) -> float:
    with opened(window_s) as (store, num_bytes):
        store.identity()
        empty = num_bytes()
        fill(store, num_users)
        (last,) = store.users([name(num_users - 1)])
        assert len(last.history) == HISTORY_LIMIT
        assert (last.country, last.attributes) == ("NL", ATTRIBUTES)
        return (num_bytes() - empty) / num_users


@pytest.mark.parametrize(("back_end", "open_in"), [("redis", redis_server), ("sqlite", sqlite)])
def test_bytes_a_user(back_end: str, open_in: Callable[[Path], Opened], tmp_path: Path) -> None:
    opened, counts = open_in(tmp_path), [NUM_FEW, *sizes("BENCHMARK_USERS", [10_000, 100_000])]
    each = []
    print(f"\n{back_end:<8}{'users':>12}{'bytes a user':>14}{'filled in':>12}")
    for num_users in counts:
        started = time.perf_counter()
        each.append(bytes_a_user(opened, num_users, warm, SEEN_WINDOW_S))
        print(f"{'':<8}{num_users:>12,}{each[-1]:>14,.0f}{time.perf_counter() - started:>10,.0f} s")
    appended = bytes_a_user(opened, NUM_FEW, append, NO_WINDOW_S)
    of_an_id = (bytes_a_user(opened, NUM_FEW, append, SEEN_WINDOW_S) - appended) / HISTORY_LIMIT
    whole = each[-1] * ALL_USERS
    print(f"appended event by event, {NUM_FEW:,} users have {appended:,.0f} bytes each")
    print(f"an interaction id that is remembered has {of_an_id:.0f} bytes more")
    print(f"{ALL_USERS:,} users: {whole / 1e9:,.0f} GB, {-(-whole // SHARD_BYTES):.0f} times 64 GiB")
    print(plot(f"bytes_a_user_{back_end}", tmp_path, counts, {f"bytes a user, {back_end}": each}, "users"))
    assert max(*each, appended) <= MAX_BYTES[back_end]
    assert each[-1] <= MAX_RATIO * each[0]
    assert each[0] / MAX_RATIO <= appended <= MAX_RATIO * each[0]
