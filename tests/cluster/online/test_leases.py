"""Who works on which partition; the same on both back ends."""

from __future__ import annotations

import time

import pytest

from cluster.online.event_log import Job
from cluster.online.leases import share
from cluster.online.store import OnlineStore
from cluster.online.trending import Tally
from tests.cluster.online.store_suite import event, read_all

NOTHING = Tally(3_600.0)
LAKE, TRENDING = Job.LAKE, Job.TRENDING


@pytest.mark.parametrize("num", [1, 2, 3, 5])
def test_shares_cover_every_partition_once(num: int) -> None:
    alive = [f"owner-{n}" for n in range(num)]
    shares = [share(owner, alive, 8) for owner in alive]
    assert sorted(partition for own in shares for partition in own) == list(range(8))
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


def test_who_lives_is_known_until_the_deadline(store: OnlineStore) -> None:
    assert store.leases.alive(LAKE, "b", 0.2) == ["b"]
    assert store.leases.alive(LAKE, "a", 30) == ["a", "b"]
    assert store.leases.alive(TRENDING, "c", 30) == ["c"]
    time.sleep(0.25)
    assert store.leases.alive(LAKE, "a", 30) == ["a"]
    store.leases.alive(LAKE, "b", 30)
    store.leases.leave(LAKE, "a")
    assert store.leases.alive(LAKE, "b", 30) == ["b"]


def test_a_lease_is_one_owner_s_until_it_is_freed_or_its_deadline_passes(store: OnlineStore) -> None:
    first = store.leases.hold(LAKE, [0, 2], "a", 0.3)
    assert [(x.partition, x.owner) for x in first] == [(0, "a"), (2, "a")]
    assert store.leases.hold(LAKE, [0, 1, 2], "b", 30) == [x for x in store.leases.holders() if x.owner == "b"]
    assert store.leases.hold(TRENDING, [0], "b", 30) != []
    assert store.leases.hold(LAKE, [0, 2], "a", 0.3) == first  # renewed
    assert all(store.leases.holds(x) for x in first)
    store.leases.release(first[:1])
    [taken] = store.leases.hold(LAKE, [0], "b", 30)
    assert taken.token > first[0].token
    store.leases.release(first)
    assert store.leases.holds(taken)
    time.sleep(0.35)
    assert not store.leases.holds(first[1])
    assert [x.partition for x in store.leases.hold(LAKE, [2], "b", 30)] == [2]


def test_an_owner_that_overslept_its_deadline_has_another_lease(store: OnlineStore) -> None:
    [old] = store.leases.hold(LAKE, [1], "a", 0.1)
    time.sleep(0.15)
    [new] = store.leases.hold(LAKE, [1], "a", 30)
    assert new.token > old.token
    assert (store.leases.holds(old), store.leases.holds(new)) == (False, True)


def test_a_paused_consumer_cannot_write_after_it_lost_its_lease(store: OnlineStore) -> None:
    store.append([event(1)])
    [partition] = [p for p in range(3) if store.log.read(p, 0, 1)]
    offset = read_all(store)[0].offset
    counted = Tally(3_600.0, items={"item-1": {"click": 1}})
    [paused] = store.leases.hold(TRENDING, [partition], "a", 0.1)
    time.sleep(0.15)
    assert not store.tallies.add(paused, 0, offset, counted)
    [heir] = store.leases.hold(TRENDING, [partition], "b", 30)
    assert not store.tallies.add(paused, 0, offset, counted)
    assert store.tallies.add(heir, 0, offset, counted)
    assert not store.tallies.add(heir, 0, offset, counted)
    assert store.item_counts(["item-1"]) == [{"click": 1}]
