"""What an online store costs above the bare thing it stands on. Prints figures; asserts only ratios.

The floor of appends writes the same encoded events to the same kind of store in the same run: one table with
an index on the id (SQLite), one stream (Redis). The floor of reads makes the answer's objects from nothing.
"""

from __future__ import annotations

import itertools
import sqlite3
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import redis

from cluster.online.codec import encode
from cluster.online.store import HISTORY_LIMIT, OnlineStore, OnlineUser
from cluster.redis.store import RedisStore
from cluster.sqlite.store import SqliteStore
from models.events import EventType, Interaction
from models.user_state import HistoryEvent
from tests.cluster.online.store_suite import event

pytestmark = pytest.mark.slow

BATCH = 500
NUM_EVENTS = 20_000
NUM_USERS = 500
READ_BATCH = 25
MIN_APPEND_RATIO = 0.05
MIN_READ_RATIO = 0.1
Batch = Sequence[Interaction]


def _events(name: str) -> list[Interaction]:
    return [
        event(f"{name}-{n}", user=f"user-{n % NUM_USERS}", item=f"item-{n % 997}", at_s=n) for n in range(NUM_EVENTS)
    ]


def _events_a_second(events: list[Interaction], write: Callable[[Batch], object]) -> float:
    started = time.perf_counter()
    for start in range(0, len(events), BATCH):
        write(events[start : start + BATCH])
    return len(events) / (time.perf_counter() - started)


def _reads_a_second(read: Callable[[Sequence[str]], list[OnlineUser]]) -> float:
    user_ids = [f"user-{n}" for n in range(NUM_USERS)]
    started = time.perf_counter()
    for start in range(0, NUM_USERS, READ_BATCH):
        found = read(user_ids[start : start + READ_BATCH])
        assert {len(user.history) for user in found} == {HISTORY_LIMIT}
    return NUM_USERS / (time.perf_counter() - started)


def _from_nothing(user_ids: Sequence[str]) -> list[OnlineUser]:
    return [OnlineUser(tuple(HistoryEvent("item", EventType.CLICK, n) for n in range(HISTORY_LIMIT))) for _ in user_ids]


def _check(name: str, store: OnlineStore, write: Callable[[Batch], object]) -> None:
    for start in range(0, HISTORY_LIMIT * NUM_USERS, 5_000):  # full histories: the dearest case
        numbers = range(start, start + 5_000)
        store.append([event(f"old-{n}", user=f"user-{n % NUM_USERS}", item=f"old-{n}") for n in numbers])
    floor, appends = _events_a_second(_events("floor"), write), _events_a_second(_events("new"), store.append)
    read_floor, reads = _reads_a_second(_from_nothing), _reads_a_second(store.users)
    print(
        f"\n{name}: append {appends:,.0f} events/s ({appends / floor:.2f} of the floor's {floor:,.0f}), "
        f"users() {reads:,.0f} users/s ({reads / read_floor:.2f} of the floor's {read_floor:,.0f})"
    )
    assert appends > MIN_APPEND_RATIO * floor
    assert reads > MIN_READ_RATIO * read_floor


def test_sqlite_against_a_bare_table(tmp_path: Path) -> None:
    bare = sqlite3.connect(tmp_path / "bare.db", isolation_level=None)
    bare.executescript(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
        "CREATE TABLE log (offset INTEGER PRIMARY KEY, id TEXT UNIQUE, kind INTEGER, body BLOB);"
    )

    def write(events: Batch) -> None:
        bare.execute("BEGIN IMMEDIATE")
        bare.executemany(
            "INSERT INTO log (id, kind, body) VALUES (?, ?, ?)",
            ((e.interaction_id, *encode(e)) for e in events),
        )
        bare.execute("COMMIT")

    store = SqliteStore(str(tmp_path / "online.db"))
    _check("sqlite", store, write)
    store.close()
    bare.close()


def test_redis_against_a_bare_stream(redis_url: str) -> None:
    store = RedisStore(redis_url)
    with redis.Redis.from_url(redis_url) as bare:
        bare.flushall()
        offsets = itertools.count(1)

        def write(events: Batch) -> None:
            with bare.pipeline(transaction=False) as pipe:
                for e in events:
                    kind, body = encode(e)
                    pipe.xadd("bare", {"kind": kind, "body": body}, id=f"{next(offsets)}-0")
                pipe.execute()

        _check("redis", store, write)
    store.close()
