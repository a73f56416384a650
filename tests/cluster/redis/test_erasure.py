"""Redis keeps the contract of privacy, and neither its dump nor its append-only file holds an erased user."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import redis

from cluster.consuming.counting import count
from cluster.online import catalogue
from cluster.online.event_log import partition_of
from cluster.online.store import OnlineUser
from cluster.online.vectors import VectorBatch
from cluster.redis.connection import key, log_key
from cluster.redis.erasure import USER_KEYS
from cluster.redis.store import RedisStore
from models.catalogue_entries import Kind, UserEntry
from models.events import EventType
from tests.cluster.online.privacy_suite import PrivacySuite, move_on
from tests.cluster.online.store_suite import START, event, read_all
from tests.cluster.redis.redis_server import start

GONE = "gone-user-7f3a"


@pytest.fixture
def client(redis_url: str) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(redis_url) as client:
        client.flushall()
        yield client


class TestRedisPrivacy(PrivacySuite):
    store_type = RedisStore

    @pytest.fixture
    def address(self, redis_url: str, client: redis.Redis) -> str:
        return redis_url


def test_no_key_of_a_hidden_user_is_left(redis_url: str, client: redis.Redis) -> None:
    store = RedisStore(redis_url)
    store.append([event(1, user=GONE, country="NO"), event(2, user=GONE, kind=EventType.HIDE)])
    store.warm({GONE: OnlineUser(attributes={"age": "25"})})
    store.vectors.keep_users(VectorBatch([GONE], np.ones((1, 4), np.float32), "v1", START))
    count(store, 3_600, 5, lambda _: None)
    home = partition_of(GONE, store.log.num_partitions())
    there = {name.decode() for name in client.scan_iter(f"*{GONE}*")}
    assert there == {key(home, f"{name}:{GONE}") for name in USER_KEYS}
    catalogue.put(store.catalogue, Kind.USER, [(GONE, UserEntry(personalization=False))])
    store.privacy.hide([GONE], "job", b"sealed")
    assert list(client.scan_iter(f"*{GONE}*")) == []
    store.close()


def test_entries_of_others_keep_their_offsets_while_appends_go_on(redis_url: str, client: redis.Redis) -> None:
    store = RedisStore(redis_url)
    for part in range(30):
        store.append([event(f"{part}-{n}", user=GONE if n % 5 == 0 else f"user-{n}", at_s=n) for n in range(100)])
    hidden = store.privacy.hide([GONE], "job", b"sealed")
    log = log_key(partition_of(GONE, store.log.num_partitions()))
    ids = [id_ for id_, fields in client.xrange(log) if GONE.encode() not in fields[b"body"]]
    assert store.privacy.purge(hidden.through) == 600
    assert [id_ for id_, _ in client.xrange(log)] == ids
    assert ids
    assert list(client.scan_iter("*:rewritten")) == []
    store.close()


@pytest.mark.slow
def test_no_byte_of_the_files_holds_an_erased_user(tmp_path: Path) -> None:
    with start(tmp_path) as (_, url), redis.Redis.from_url(url) as client:
        client.config_set("rdbcompression", "no")
        store = RedisStore(url)
        store.append([event(n, user=GONE if n % 3 else "bob", at_s=n) for n in range(90)])
        client.save()
        assert hits(tmp_path, GONE)
        # The sink moves them on while others arrive: trimmed entries stay in the stream's block.
        move_on(store, 60)
        store.append([event("other", user="bob")])
        hidden = store.privacy.hide([GONE], "job", b"sealed")
        others = store.users(["bob"])
        store.privacy.purge(hidden.through)
        client.save()
        assert hits(tmp_path, GONE) == []
        assert store.users(["bob"]) == others
        assert {e.entry.user_id for e in read_all(store)} == {"bob"}
        store.close()


def hits(folder: Path, text: str) -> list[str]:
    return [path.name for path in folder.rglob("*") if path.is_file() and text.encode() in path.read_bytes()]
