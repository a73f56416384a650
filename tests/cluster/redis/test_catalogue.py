"""Redis keeps the contract of a catalogue store, and nothing of it expires."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from cluster.online import catalogue
from cluster.redis.store import RedisStore
from models.catalogue_entries import Kind
from models.errors import StoreError
from tests.cluster.online.catalogue_suite import CatalogueSuite, changed_ids, item, user
from tests.cluster.redis.redis_server import start


@pytest.fixture
def client(redis_url: str) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(redis_url) as client:
        client.flushall()
        yield client


class TestRedisCatalogue(CatalogueSuite):
    store_type = RedisStore

    @pytest.fixture
    def address(self, redis_url: str, client: redis.Redis) -> str:
        return redis_url


def test_nothing_of_the_catalogue_expires(redis_url: str, client: redis.Redis) -> None:
    store = RedisStore(redis_url)
    catalogue.put(store.catalogue, Kind.ITEM, [("a", item(available=False))])
    catalogue.put(store.catalogue, Kind.USER, [("ann", user(country="NO"))])
    catalogue.delete(store.catalogue, Kind.ITEM, ["b"])
    store.close()
    assert {client.ttl(key) for key in client.scan_iter()} == {-1}


def test_versions_go_on_above_those_of_a_server_that_lost_everything(redis_url: str, client: redis.Redis) -> None:
    store = RedisStore(redis_url)
    catalogue.put(store.catalogue, Kind.ITEM, [("a", item())])
    before = store.fetch([]).items_version
    client.flushall()
    assert store.fetch([]).items_version == 0
    catalogue.put(store.catalogue, Kind.ITEM, [("a", item())])
    assert store.fetch([]).items_version > before
    store.close()


@pytest.mark.slow
def test_a_killed_server_comes_back_with_what_it_acknowledged(tmp_path: Path) -> None:
    with start(tmp_path) as (server, url):
        store = RedisStore(url)
        catalogue.put(store.catalogue, Kind.ITEM, [(f"i{n}", item(available=False)) for n in range(100)])
        server.kill()
        server.wait(10)
        with pytest.raises(StoreError, match="Redis did not answer"):
            catalogue.put(store.catalogue, Kind.ITEM, [("late", item())])
        store.close()
    with start(tmp_path) as (_, url):
        again = RedisStore(url)
        assert changed_ids(again, restricted=True) == [f"i{n}" for n in range(100)]
        again.close()
