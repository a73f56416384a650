"""Redis keeps the contract of an online store, and what is special about a server."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from cluster.online_store import OnlineUser, open_store
from cluster.redis_scripts import HISTORY_LIFE_S, PREFIX
from cluster.redis_store import RedisStore
from models.errors import ConfigError, StoreError
from tests.cluster.online_store_suite import OnlineStoreSuite, event, items
from tests.cluster.redis_server import start


@pytest.fixture
def client(redis_url: str) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(redis_url) as client:
        client.flushall()
        yield client


class TestRedisStore(OnlineStoreSuite):
    store_type = RedisStore

    @pytest.fixture
    def address(self, redis_url: str, client: redis.Redis) -> str:
        return redis_url


def test_every_key_of_a_user_has_an_end(redis_url: str, client: redis.Redis) -> None:
    store = RedisStore(redis_url)
    store.warm({"ann": OnlineUser(attributes={"age": "25"})})
    client.persist(f"{PREFIX}attributes:ann")
    store.append([event(1, country="NL")])
    store.close()
    keys = {key for key in client.scan_iter() if client.ttl(key) == -1}
    assert keys == {f"{PREFIX}log".encode(), f"{PREFIX}offset".encode()}
    for name in ("history", "country", "attributes"):
        assert 0 < client.ttl(f"{PREFIX}{name}:ann") <= HISTORY_LIFE_S


@pytest.mark.parametrize("url", ["redis://:Zk9/hunter2@redis:6379/0", "redis:/:hunter2@redis:6379/0", "hunter2"])
def test_a_wrong_address_is_named_without_its_password(url: str) -> None:
    with pytest.raises(ConfigError) as error:
        open_store(url)
    assert "redis://" in str(error.value)
    assert "hunter2" not in str(error.value)
    assert error.value.__cause__ is None


def test_a_server_that_lost_everything_is_another_store(redis_url: str, client: redis.Redis) -> None:
    store = RedisStore(redis_url)
    before = store.identity()
    client.flushall()
    assert store.identity() != before


def test_offsets_go_on_above_those_of_a_server_that_lost_everything(redis_url: str, client: redis.Redis) -> None:
    store = RedisStore(redis_url)
    store.append([event(1)])
    before = store.read_log(0, 1)[0].offset
    client.flushall()
    store.append([event(1)])
    assert store.read_log(0, 1)[0].offset > before
    store.close()


def _append_until_it_fails(store: RedisStore) -> int:
    num_acknowledged = 0
    while True:
        try:
            store.append([event(num_acknowledged, at_s=num_acknowledged)])
        except StoreError:
            return num_acknowledged
        num_acknowledged += 1


@pytest.mark.slow
def test_a_killed_server_comes_back_with_everything_it_acknowledged(tmp_path: Path) -> None:
    with start(tmp_path) as (server, url):
        store = RedisStore(url)
        threading.Timer(0.3, server.kill).start()
        num_acknowledged = _append_until_it_fails(store)
    assert num_acknowledged > 0
    with start(tmp_path) as (_, url):
        again = RedisStore(url)
        # The append that failed may have been taken: its answer is what was lost.
        assert len(again.read_log(0, 1_000_000)) in (num_acknowledged, num_acknowledged + 1)
        assert again.append([event(n, at_s=n) for n in range(num_acknowledged)]) == [False] * num_acknowledged
        assert items(again)[-1] in (f"item-{num_acknowledged - 1}", f"item-{num_acknowledged}")
        again.close()
    store.close()


def test_a_server_that_is_not_there_is_a_clear_error() -> None:
    with pytest.raises(StoreError, match="Redis did not answer"):
        RedisStore("redis://127.0.0.1:1/0").ping()
