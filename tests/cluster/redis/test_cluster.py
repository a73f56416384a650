"""A Redis Cluster keeps the contracts of an online store over its nodes, and goes on when slots and scripts move."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import redis

from cluster.consuming.counting import count
from cluster.consuming.sink import sink
from cluster.delta.lake import Lake
from cluster.online.event_log import DeadLetter
from cluster.online.store import OnlineStore, open_store
from cluster.redis.connection import key, servers
from cluster.redis.store import RedisStore
from models.errors import ConfigError, StoreError
from models.tables import Table
from tests.cluster.online.catalogue_suite import CatalogueSuite
from tests.cluster.online.privacy_suite import PrivacySuite
from tests.cluster.online.store_suite import OnlineStoreSuite, event, exposure, items, read_all
from tests.cluster.redis.redis_cluster import cluster_address, start_cluster

pytestmark = pytest.mark.slow

USERS = [f"user-{n}" for n in range(12)]


class TestClusterStore(OnlineStoreSuite):
    store_type = RedisStore

    @pytest.fixture
    def address(self, redis_cluster_url: str) -> str:
        return redis_cluster_url


class TestClusterCatalogue(CatalogueSuite):
    store_type = RedisStore

    @pytest.fixture
    def address(self, redis_cluster_url: str) -> str:
        return redis_cluster_url


class TestClusterPrivacy(PrivacySuite):
    store_type = RedisStore

    @pytest.fixture
    def address(self, redis_cluster_url: str) -> str:
        return redis_cluster_url


def fill(store: OnlineStore) -> None:
    assert all(store.append([event(user, user=user, country="NO") for user in USERS]))
    store.append_exposures([exposure(1)])


def test_partitions_lie_on_all_nodes_and_work_is_done_on_each(
    redis_cluster_url: str, cluster_nodes: list[str], tmp_path: Path
) -> None:
    store, lake = open_store(redis_cluster_url), Lake(f"{tmp_path}/lake")
    fill(store)
    for url in cluster_nodes:
        with redis.Redis.from_url(url) as node:
            assert node.keys("shoal:*:log")
    assert [len(user.history) for user in store.users(USERS)] == [1] * 12
    count(store, 1e8, 5, lambda _: None)
    assert store.user_counts(USERS) == [{"click": 1}] * 12
    assert len(store.trending("NO", None, 20)) == 12
    letters = [DeadLetter(partition, 1, 9, b"{", "why", False) for partition in range(4)]
    store.log.bury(letters)
    assert store.log.dead_letters(10) == letters
    assert sink(store, lake).num_interactions == 12
    assert store.log.replay(letters, dict.fromkeys(range(4), 0)) == 4
    assert lake.num_rows(Table.EXPOSURES) == 1
    store.close()


def test_nodes_that_forgot_the_scripts_are_told_again(redis_cluster_url: str, cluster_nodes: list[str]) -> None:
    store = RedisStore(redis_cluster_url)
    fill(store)
    for url in cluster_nodes:
        with redis.Redis.from_url(url) as node:
            node.script_flush()
    assert store.append([event(user, user=user) for user in USERS]) == [False] * 12
    with redis.Redis.from_url(cluster_nodes[1]) as node:
        node.script_flush()
    assert [len(user.history) for user in store.users(USERS)] == [1] * 12
    assert store.privacy.hide(USERS, "job", b"").entries["history"] == 12
    store.close()


def test_a_partition_that_moves_to_another_node_is_found_there(tmp_path: Path) -> None:
    with start_cluster(tmp_path) as nodes:
        store = RedisStore(cluster_address(nodes))
        fill(store)
        before, entries = store.users(USERS), read_all(store)
        clients = [redis.Redis.from_url(url) for url in nodes]
        slot = int(clients[0].cluster("KEYSLOT", key(1, "log")))
        source = next(client for client in clients if client.keys(key(1, "log")))
        move(slot, source, next(client for client in clients if client is not source), clients)
        assert (store.users(USERS), read_all(store)) == (before, entries)
        assert store.append([event(user, user=user) for user in USERS]) == [False] * 12
        assert all(store.append([event(f"new-{user}", user=user, at_s=9) for user in USERS]))
        assert items(store, USERS[0]) == [f"item-{USERS[0]}", f"item-new-{USERS[0]}"]
        for client in clients:
            client.close()
        store.close()


def move(slot: int, source: Any, target: Any, clients: list[Any]) -> None:
    """A slot with its keys, as `redis-cli --cluster reshard` does it."""
    ids = {client: client.execute_command("CLUSTER", "MYID") for client in (source, target)}
    target.execute_command("CLUSTER", "SETSLOT", slot, "IMPORTING", ids[source])
    source.execute_command("CLUSTER", "SETSLOT", slot, "MIGRATING", ids[target])
    port = target.config_get("port")["port"]
    while keys := source.execute_command("CLUSTER", "GETKEYSINSLOT", slot, 100):
        source.execute_command("MIGRATE", "127.0.0.1", port, "", 0, 5_000, "KEYS", *keys)
    for client in [target, source, *(c for c in clients if c not in (source, target))]:
        client.execute_command("CLUSTER", "SETSLOT", slot, "NODE", ids[target])


def test_an_erasure_writes_the_files_of_every_node_anew(tmp_path: Path) -> None:
    gone = [f"gone-user-{n}" for n in range(12)]
    with start_cluster(tmp_path, appendfsync="always") as nodes:
        store = RedisStore(cluster_address(nodes))
        store.append([event(user, user=user) for user in [*gone, *USERS]])
        assert {place for place, _ in holding(tmp_path, b"gone-user-")} == {"0", "1", "2"}
        hidden = store.privacy.hide(gone, "job", b"sealed")
        assert store.privacy.purge(hidden.through) == 12
        assert holding(tmp_path, b"gone-user-") == []
        assert [len(user.history) for user in store.users(USERS)] == [1] * 12
        store.close()


def holding(folder: Path, text: bytes) -> list[tuple[str, str]]:
    """Node and name of files with a text in their bytes."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    return [(path.relative_to(folder).parts[0], path.name) for path in files if text in path.read_bytes()]


def test_what_any_node_would_lose_is_said_once(redis_cluster_url: str) -> None:
    store = RedisStore(redis_cluster_url)
    [weakness] = store.weaknesses()
    assert "appendfsync everysec" in weakness
    nodes = servers(store._redis)
    nodes[2].config_set("appendfsync", "always")
    assert store.weaknesses() == [weakness]
    for node in nodes:
        node.config_set("appendfsync", "always")
    assert store.weaknesses() == []
    for node in nodes:
        node.config_set("appendfsync", "everysec")
    store.close()


def test_nothing_is_asked_before_the_first_call_and_a_cluster_that_is_away_is_a_clear_error() -> None:
    store = open_store("redis-cluster://127.0.0.1:1")
    for _ in range(2):
        with pytest.raises(StoreError, match="Redis did not answer"):
            store.ping()
    store.close()


def test_a_server_that_is_no_cluster_is_a_clear_error(redis_url: str) -> None:
    store = open_store(redis_url.replace("redis://", "redis-cluster://"))
    with pytest.raises(StoreError, match=r"Redis did not answer: .*[Cc]luster"):
        store.users(["ann"])
    store.close()


@pytest.mark.parametrize("url", ["redis-cluster://:Zk9/hunter2@redis:6379", "redis-cluster://:hunter2@redis:6379/3"])
def test_a_wrong_address_is_named_without_its_password(url: str) -> None:
    with pytest.raises(ConfigError) as error:
        open_store(url)
    assert "redis-cluster://" in str(error.value)
    assert "hunter2" not in str(error.value)
