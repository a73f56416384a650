"""The log in partitions: order, positions, trimming, lag, entries nobody could use; the same on both back ends."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
import redis

from cluster.online.codec import INTERACTION, encode
from cluster.online.event_log import DeadLetter, Job, Undecodable, partition_of
from cluster.online.leases import Lease
from cluster.online.store import OnlineStore
from cluster.online.trending import Tally
from cluster.redis.store import RedisStore
from cluster.sqlite.store import SqliteStore
from models.events import Interaction
from tests.cluster.online.store_suite import event, exposure, items, logged, read_all
from tests.cluster.online.stores import Open, make_old

LIFE_S = 30.0
NOTHING = Tally(3_600.0)


def lease(store: OnlineStore, partition: int) -> Lease:
    [held] = store.leases.hold(Job.TRENDING, [partition], "me", LIFE_S)
    return held


def home(user: str) -> int:
    return partition_of(user, 3)


def spoil(store: OnlineStore, number: int) -> int:
    """Append an event of ann's whose body is then no JSON; its offset."""
    store.append([event(number)])
    spoilt = store.log.read(home("ann"), 0, 1_000)[-1].offset
    if isinstance(store, SqliteStore):
        with store._file.write() as db:
            db.execute("UPDATE entries SET body = ? WHERE offset = ?", (b"{", spoilt))
    elif isinstance(store, RedisStore):
        key = f"shoal:{{{home('ann')}}}:log"
        [(name, fields)] = store._redis.xrevrange(key, count=1)
        store._redis.xdel(key, name)
        spoilt += 1
        store._redis.xadd(key, {**fields, b"body": b"{"}, id=f"{spoilt}-{int(name.split(b'-')[1]) + 1}")
        store._redis.set(f"shoal:{{{home('ann')}}}:offset", spoilt)
    return spoilt


def test_a_user_is_in_one_partition_and_users_are_in_all(store: OnlineStore) -> None:
    store.append([event(n, user=f"user-{n % 20}") for n in range(200)])
    store.append_exposures([exposure(n) for n in range(3)])
    for partition in range(3):
        entries = store.log.read(partition, 0, 1_000)
        assert {home(e.entry.user_id) for e in entries if not isinstance(e.entry, Undecodable)} == {partition}
        offsets = [e.offset for e in entries]
        assert offsets == sorted(set(offsets))
    assert len(read_all(store)) == 203


def test_the_number_of_partitions_is_the_store_s_own(open_fresh: Open) -> None:
    first = open_fresh()
    assert first.log.num_partitions() == 3
    store_type, (address, *_) = first.__reduce__()
    assert store_type(address, num_partitions=7).log.num_partitions() == 3


def test_the_log_is_ordered_read_in_parts_and_trimmed_behind_the_slowest(store: OnlineStore) -> None:
    store.append([event(n) for n in range(5)])
    store.append_exposures([exposure(5)])
    store.append([event(6)])
    at, log = home("ann"), store.log
    everything = log.read(at, 0, 100)
    offsets = [entry.offset for entry in everything]
    assert len(offsets) == 7
    assert offsets == sorted(set(offsets))
    assert log.read(at, offsets[1], 3) == everything[2:5]
    log.advance(at, offsets[3])
    log.advance(at, offsets[1])
    assert log.position(Job.LAKE, at) == offsets[3]
    log.trim(at)
    assert log.read(at, 0, 100) == everything
    assert store.tallies.add(lease(store, at), 0, offsets[1], NOTHING)
    log.trim(at)
    log.trim(at)
    assert log.read(at, 0, 100) == everything[2:]
    assert store.tallies.add(lease(store, at), offsets[1], offsets[-1], NOTHING)
    log.advance(at, offsets[-1])
    log.trim(at)
    assert log.read(at, 0, 100) == []
    store.append([event(7)])
    assert log.read(at, 0, 100)[0].offset > offsets[-1]
    assert store.append([event(1)]) == [False]
    assert items(store)[-1] == "item-7"


def test_lag_is_entries_and_the_age_of_the_oldest(store: OnlineStore) -> None:
    assert {(x.num_entries, x.seconds) for x in store.log.lags()} == {(0, 0.0)}
    store.append([event(n) for n in range(5)])
    time.sleep(0.2)
    offsets = [entry.offset for entry in store.log.read(home("ann"), 0, 100)]
    store.log.advance(home("ann"), offsets[2])
    lags = {(x.job, x.partition): x for x in store.log.lags()}
    assert len(lags) == 6
    lake, trending = lags[Job.LAKE, home("ann")], lags[Job.TRENDING, home("ann")]
    assert (lake.num_entries, trending.num_entries) == (2, 5)
    assert 0.2 <= lake.seconds <= trending.seconds < 5
    assert store.tallies.add(lease(store, home("ann")), 0, offsets[0], NOTHING)
    store.log.trim(home("ann"))
    assert [x.num_entries for x in store.log.lags() if x.num_entries] == [2, 4]


def test_an_entry_that_cannot_be_read_hides_no_other(store: OnlineStore) -> None:
    store.append([event(1)])
    spoilt = spoil(store, 2)
    store.append([event(3)])
    entries = store.log.read(home("ann"), 0, 10)
    assert [e.entry.interaction_id for e in entries if isinstance(e.entry, Interaction)] == ["event-1", "event-3"]
    [bad] = [e for e in entries if isinstance(e.entry, Undecodable)]
    assert (bad.offset, bad.body) == (spoilt, b"{")


@pytest.mark.parametrize("lake_only", [False, True])
def test_dead_letters_go_back_once_and_not_before_they_were_passed(store: OnlineStore, lake_only: bool) -> None:
    kind, body = encode(event(1, item="🐟"))
    at = home("ann")
    letters = [DeadLetter(at, offset, kind, body, "because ø", lake_only) for offset in (20, 10)]
    for _ in range(2):
        store.log.bury(letters)
    assert store.log.dead_letters(10) == sorted(letters, key=lambda x: x.offset)
    assert store.log.dead_letters(1) == letters[1:]
    assert store.log.buried(at, 10) == {20}
    assert store.log.replay(letters, {at: 0}) == 0
    store.log.advance(at, 10)
    assert store.log.replay(letters, {at: 0}) == 1
    assert store.log.replay(letters, {at: 0}) == 0
    store.log.advance(at, 20)
    assert store.log.replay(letters, {at: 0}) == 1
    assert store.log.num_dead_letters() == 0
    entries = store.log.read(at, 20, 10)
    assert [e.entry for e in entries] == [event(1, item="🐟")] * 2
    assert [e.lake_only for e in entries] == [lake_only] * 2
    assert repr("🐟") not in repr(letters)


def test_a_file_from_before_there_were_partitions_moves_along(tmp_path: Path) -> None:
    path = str(tmp_path / "online.db")
    store = SqliteStore(path)
    store.append([event(1)])
    [entry] = read_all(store)
    store.close()
    make_old(path, 3)
    stores = [SqliteStore(path) for _ in range(2)]
    for again in stores:
        assert again.identity() == "0123456789abcdef"
        assert read_all(again) == [entry]
    assert stores[0].append([event(1), event(2)]) == [False, True]
    assert [e.entry for e in read_all(stores[1])] == [event(1), event(2)]
    assert read_all(stores[1])[1].offset > entry.offset
    assert items(stores[1]) == ["item-1", "item-2"]


def test_a_redis_from_before_there_were_partitions_keeps_its_one(redis_url: str) -> None:
    with redis.Redis.from_url(redis_url) as client:
        client.flushall()
        kind, body = encode(event(1))
        client.xadd("shoal:{0}:log", {"kind": kind, "body": body}, id="1000-0")
        client.set("shoal:{0}:offset", 1000)
    store = RedisStore(redis_url)
    assert store.log.num_partitions() == 1
    store.append([event(2), event(3, user="bob")])
    assert logged(store) == [event(1), event(2), event(3, user="bob")]
    store.close()


def test_another_number_of_partitions_is_refused(redis_url: str) -> None:
    with redis.Redis.from_url(redis_url) as client:
        client.flushall()
        store = RedisStore(redis_url, num_partitions=2)
        store.append([event(n, user=f"user-{n}") for n in range(9)])
        client.flushall()
        RedisStore(redis_url, num_partitions=5).append([event(n, user=f"user-{n}") for n in range(30)])
    with pytest.raises(Exception, match="PARTITIONS are 5"):
        store.append([event(1)])


def test_kinds_are_as_they_were() -> None:
    assert (INTERACTION, partition_of("ann", 1_000), partition_of("é", 1_000)) == (1, 347, 326)
