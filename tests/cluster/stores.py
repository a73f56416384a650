"""Both back ends, fresh, for tests of what stands on a store."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import redis

from cluster.online_store import OnlineStore
from cluster.redis_store import RedisStore
from cluster.sqlite_store import SqliteStore

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


@pytest.fixture
def empty_redis_url(redis_url: str) -> str:
    """Address of a Redis with nothing in it."""
    with redis.Redis.from_url(redis_url) as client:
        client.flushall()
    return redis_url
