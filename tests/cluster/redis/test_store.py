"""Redis keeps the contract of an online store, and what is special about a server."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import redis

from cluster.consuming.counting import count
from cluster.consuming.sink import sink
from cluster.delta.lake import Lake
from cluster.online.durability import warn_of_losses
from cluster.online.event_log import DeadLetter, partition_of
from cluster.online.store import OnlineUser, open_store
from cluster.online.vectors import VectorBatch
from cluster.redis.connection import key
from cluster.redis.scripts import HISTORY_LIFE_S
from cluster.redis.store import RedisStore
from models.errors import ConfigError, StoreError
from tests.cluster.online.store_suite import START, OnlineStoreSuite, event, exposure, items, read_all
from tests.cluster.redis.redis_server import start


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
    home = partition_of("ann", store.log.num_partitions())
    client.persist(key(home, "attributes:ann"))
    store.append([event(1, country="NL")])
    store.close()
    endless = {name.decode() for name in client.scan_iter() if client.ttl(name) == -1}
    assert endless - {key(0, "partitions")} == {key(home, name) for name in ("log", "offset", "count", "partitions")}
    for name in ("history", "country", "attributes"):
        assert 0 < client.ttl(key(home, f"{name}:ann")) <= HISTORY_LIFE_S


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
    before = read_all(store)[0].offset
    client.flushall()
    store.append([event(1)])
    assert read_all(store)[0].offset > before
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
    with start(tmp_path, appendfsync="always") as (server, url):
        store = RedisStore(url)
        threading.Timer(0.3, server.kill).start()
        num_acknowledged = _append_until_it_fails(store)
    assert num_acknowledged > 0
    with start(tmp_path, appendfsync="always") as (_, url):
        again = RedisStore(url)
        # The append that failed may have been taken: its answer is what was lost.
        assert len(read_all(again)) in (num_acknowledged, num_acknowledged + 1)
        assert again.append([event(n, at_s=n) for n in range(num_acknowledged)]) == [False] * num_acknowledged
        assert items(again)[-1] in (f"item-{num_acknowledged - 1}", f"item-{num_acknowledged}")
        again.close()
    store.close()


def test_a_server_that_is_not_there_is_a_clear_error() -> None:
    with pytest.raises(StoreError, match="Redis did not answer"):
        RedisStore("redis://127.0.0.1:1/0").ping()


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({}, ["LAST SECOND"]),
        ({"appendfsync": "always"}, []),
        ({"appendfsync": "no"}, ["HALF A MINUTE"]),
        ({"appendonly": "no"}, ["EVERY event"]),
        ({"appendfsync": "always", "maxmemory_policy": "allkeys-lru"}, ["DROPPED"]),
    ],
)
def test_what_a_server_would_lose_is_said_at_the_start(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, settings: dict[str, str], said: list[str]
) -> None:
    with start(tmp_path, **settings) as (_, url):
        store = RedisStore(url)
        warn_of_losses(store)
        store.close()
    assert len(caplog.messages) == len(said)
    assert all(part in message for part, message in zip(said, caplog.messages, strict=True))


def test_a_server_that_does_not_say_how_durable_it_is(redis_url: str, client: redis.Redis) -> None:
    client.execute_command("ACL", "SETUSER", "shy", "on", ">secret", "~*", "+@all", "-config")
    [weakness] = RedisStore(redis_url.replace("redis://", "redis://shy:secret@")).weaknesses()
    assert "UNKNOWN" in weakness
    client.execute_command("ACL", "DELUSER", "shy")


@pytest.mark.slow
def test_in_cluster_mode_every_step_stays_in_the_slot_of_its_partition(tmp_path: Path) -> None:
    with start(tmp_path, cluster_enabled="yes") as (_, url), redis.Redis.from_url(url) as client:
        client.execute_command("CLUSTER", "ADDSLOTSRANGE", 0, 16_383)
        while b"cluster_state:ok" not in client.execute_command("CLUSTER", "INFO"):
            time.sleep(0.05)
        store = RedisStore(url, num_partitions=3)
        store.append([event(n, user=f"user-{n}", country="NO", recommendation_id="shown-1") for n in range(9)])
        store.append_exposures([exposure(1)])
        store.warm({"user-1": OnlineUser(country="NL", attributes={"age": "25"})})
        vectors = VectorBatch([f"user-{n}" for n in range(9)], np.ones((9, 4), np.float32), "v1", START)
        assert (store.vectors.keep_users(vectors), store.vectors.keep_items(vectors)) == (9, 9)
        count(store, 1e8, 30, lambda _: None)
        sink(store, Lake(str(tmp_path / "lake")))
        letter = DeadLetter(0, 1, 1, b"{", "why", refused_by_lake=False)
        store.log.bury([letter])
        assert store.log.dead_letters(1) == [letter]
        store.log.advance(0, 1)
        store.log.replay([letter], {0: 0})
        assert [len(user.history) for user in store.users([f"user-{n}" for n in range(9)])] == [1] * 9
        assert len(store.trending("NO", None, 20)) == 9
        assert store.user_counts([f"user-{n}" for n in range(9)]) == [{"click": 1}] * 9
        assert len({client.cluster("KEYSLOT", key(p, "log")) for p in range(3)}) == 3
        store.close()
