"""Both back ends, fresh, for tests of what stands on a store."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
import redis

from cluster.online.store import OnlineStore
from cluster.redis.store import RedisStore
from cluster.sqlite.store import SqliteStore

Open = Callable[[], OnlineStore]


@pytest.fixture(params=["sqlite", "redis"])
def open_fresh(request: pytest.FixtureRequest, tmp_path: Path) -> Open:
    """Opens a store of three partitions that is empty at first, any number of times."""
    if request.param == "sqlite":
        return lambda: SqliteStore(str(tmp_path / "online.db"), num_partitions=3)
    url = request.getfixturevalue("redis_url")
    with redis.Redis.from_url(url) as client:
        client.flushall()
    return lambda: RedisStore(url, num_partitions=3)


@pytest.fixture
def store(open_fresh: Open) -> OnlineStore:
    """The store once."""
    return open_fresh()


def make_old(path: str, version: int) -> None:
    """Turn a closed SQLite file into one of an earlier version with the same histories, ids and log entries."""
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE log (offset INTEGER PRIMARY KEY AUTOINCREMENT, kind INTEGER NOT NULL, body BLOB)")
        db.execute("INSERT INTO log SELECT offset, kind, body FROM entries")
        db.execute("CREATE TABLE identity (store_id TEXT NOT NULL)")
        db.execute("INSERT INTO identity VALUES ('0123456789abcdef')")
        tables = {name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        old = {"log", "identity", "seen", "users", "history", *(["attributes"] if version > 2 else [])}
        for name in tables - old - {"sqlite_sequence"}:
            db.execute(f"DROP TABLE {name}")
        db.execute(f"PRAGMA user_version = {version}")
    db.close()


@pytest.fixture
def empty_redis_url(redis_url: str) -> str:
    """Address of a Redis with nothing in it."""
    with redis.Redis.from_url(redis_url) as client:
        client.flushall()
    return redis_url
