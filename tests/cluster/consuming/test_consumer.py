"""Consumers in this process and as Ray actors: they share, take over, say how they are, and give back."""

from __future__ import annotations

import os
import signal
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest
import ray

from cluster.consuming.consumer import HUNG_S, ConsumeOptions, Consumer, JobLoop
from cluster.consuming.counting import Counting
from cluster.consuming.fleet import consumers
from cluster.delta.lake import Lake
from cluster.online.event_log import Job
from cluster.online.leases import Lease
from cluster.online.store import OnlineStore
from cluster.sqlite.store import SqliteStore
from models.tables import Table
from pipelines.consume import main
from tests.cluster.consuming.storm import eventually
from tests.cluster.online.store_suite import event, exposure, read_all

OPTIONS = ConsumeOptions(lake_interval_s=0.1, trending_interval_s=0.05, lease_s=0.6)
STARTED_S = 120.0
"""A process that starts imports Ray first, which takes half a minute where others leave it little."""


def in_lake(lake: Lake) -> Counter[str]:
    return Counter(lake.read(Table.INTERACTIONS, ["interaction_id"])["interaction_id"].to_pylist())


def holders(store: OnlineStore, job: Job) -> dict[int, str]:
    return {lease.partition: lease.owner for lease in store.leases.holders() if lease.job is job}


@pytest.mark.slow
def test_events_reach_the_lake_and_what_is_trending_by_themselves(
    url: str, sqlite_store: OnlineStore, lake: Lake
) -> None:
    consumer = Consumer(url, lake.uri, OPTIONS)
    sqlite_store.append([event(n, user=f"user-{n}", item="item") for n in range(50)])
    sqlite_store.append_exposures([exposure(1)])
    eventually(lambda: sum(in_lake(lake).values()) == 50 and read_all(sqlite_store) == [])
    assert sqlite_store.item_counts(["item"]) == [{"click": 50}]
    assert lake.num_rows(Table.EXPOSURES) == 1
    assert {health.partitions for health in consumer.health()} == {(0, 1, 2, 3)}
    assert {lag.num_entries for lag in consumer.lags()} == {0}
    consumer.stop()
    assert sqlite_store.leases.holders() == []


@pytest.mark.slow
def test_consumers_share_the_partitions_and_a_stopped_one_gives_its_share_back(
    url: str, sqlite_store: OnlineStore, lake: Lake
) -> None:
    with ExitStack() as stack:
        running = [Consumer(url, lake.uri, OPTIONS) for _ in range(2)]
        stack.callback(running[1].stop)
        eventually(lambda: sorted(Counter(holders(sqlite_store, Job.LAKE).values()).values()) == [2, 2])
        running[0].stop()
        eventually(lambda: sorted(Counter(holders(sqlite_store, Job.LAKE).values()).values()) == [4])


@pytest.mark.slow
def test_a_turn_that_fails_is_tried_again(url: str, sqlite_store: OnlineStore, tmp_path: Path) -> None:
    place = tmp_path / "lake"
    place.write_text("a file is in the way")
    consumer = Consumer(url, str(place), OPTIONS)
    sqlite_store.append([event(1)])
    eventually(lambda: any(health.error for health in consumer.health()))
    eventually(lambda: sqlite_store.item_counts(["item-1"]) == [{"click": 1}])  # the other job goes on
    place.unlink()
    eventually(lambda: in_lake(Lake(str(place))) == Counter(["event-1"]))
    eventually(lambda: not any(health.error for health in consumer.health()))
    consumer.stop()


def test_a_step_longer_than_its_lease_is_not_begun_again_for_ever(sqlite_store: OnlineStore) -> None:
    """A read of the log that takes longer than the lease lives: what was read is counted and moved all the same."""
    sqlite_store.append([event(n) for n in range(3)])
    counting = Counting(sqlite_store, 3_600.0)
    done: list[int | None] = []

    def work(partition: int, lease: Callable[[], Lease | None]) -> bool:
        time.sleep(0.1)
        done.append(counting.step(partition, lease))
        return False

    loop = JobLoop(sqlite_store, Job.TRENDING, "me", 1.0, 0.05, work)
    loop.turn()
    assert [num for num in done if num] == [3]
    assert sqlite_store.item_counts(["item-1"]) == [{"click": 1}]


@pytest.mark.slow
@pytest.mark.usefixtures("ray_session")
@pytest.mark.parametrize("end", [None, signal.SIGKILL])
def test_a_hanging_actor_is_taken_over_and_another_comes(
    url: str, sqlite_store: SqliteStore, lake: Lake, end: signal.Signals | None
) -> None:
    def owners() -> set[str]:
        return set(holders(sqlite_store, Job.LAKE).values())

    # A consumer is nice to others: where those leave it little, it comes around less often than OPTIONS ask.
    with consumers(url, lake.uri, 2, replace(OPTIONS, lease_s=4.0)) as fleet:
        eventually(lambda: all(fleet._answered), STARTED_S)
        eventually(lambda: len(owners()) == 2)
        before = owners()
        pid = ray.get(fleet._actors[0].__ray_call__.remote(lambda _: os.getpid()))
        with sqlite_store._file.write():  # so the victim is in none: stopped in a write it would stop all writers
            os.kill(pid, signal.SIGSTOP)
        sqlite_store.append([event(n, user=f"user-{n}") for n in range(40)])
        eventually(lambda: sum(in_lake(lake).values()) == 40)  # long before any is thought to hang
        assert owners() < before  # by the one that is left, not by a new one
        if end is None:
            fleet._heard[0] -= HUNG_S  # of the victim alone: a busy machine may keep the other waiting, too
        else:
            os.kill(pid, end)
        eventually(lambda: len(owners()) == 2, STARTED_S)
        assert len(owners() & before) == 1
        eventually(lambda: all(fleet._answered), STARTED_S)
    assert sqlite_store.leases.holders() == []
    assert set(in_lake(lake).values()) == {1}


def test_status_says_who_is_behind(
    url: str, sqlite_store: OnlineStore, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    sqlite_store.append([event(n) for n in range(3)])
    sqlite_store.leases.hold(Job.LAKE, [0], "somebody", 30)
    monkeypatch.setenv("SHOAL_STORE", url)
    time.sleep(0.1)
    assert main(["status"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 1 + 2 * 4 + 1
    assert [line.split()[2] for line in lines[1:9]].count("3") == 2
    assert lines[1].split()[-1] == "somebody"
    assert lines[-1] == "0 dead letters"
