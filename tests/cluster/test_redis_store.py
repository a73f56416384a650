"""Redis keeps the contract of an online store, and what is special about a server."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import redis

from cluster.redis_scripts import HISTORY_LIFE_S, PREFIX
from cluster.redis_store import RedisStore
from models.errors import StoreError
from tests.cluster.online_store_suite import OnlineStoreSuite, event


@pytest.fixture
def client(redis_url: str) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(redis_url) as client:
        client.flushall()
        yield client


class TestRedisStore(OnlineStoreSuite):
    store_type = RedisStore

    @pytest.fixture
    def address(self, redis_url: str, client: redis.Redis) -> str:  # noqa: ARG002  (empties the server)
        return redis_url


def test_every_key_of_a_user_has_an_end(redis_url: str, client: redis.Redis) -> None:
    store = RedisStore(redis_url)
    store.append([event(1, country="NL")])
    store.close()
    keys = {key for key in client.scan_iter() if client.ttl(key) == -1}
    assert keys == {f"{PREFIX}log".encode(), f"{PREFIX}offset".encode()}
    for name in ("history", "country"):
        assert 0 < client.ttl(f"{PREFIX}{name}:ann") <= HISTORY_LIFE_S


def test_offsets_go_on_above_those_of_a_server_that_lost_everything(
    redis_url: str, client: redis.Redis
) -> None:
    store = RedisStore(redis_url)
    store.append([event(1)])
    before = store.read_log(0, 1)[0].offset
    client.flushall()
    store.append([event(1)])
    assert store.read_log(0, 1)[0].offset > before
    store.close()


def test_a_server_that_is_not_there_is_a_clear_error() -> None:
    with pytest.raises(StoreError, match="Redis did not answer"):
        RedisStore("redis://127.0.0.1:1/0").ping()
