"""What breaks under a steady load, and what callers see of it: no request fails. Prints figures.

Over Redis. `BENCHMARK_RATE` (50) requests a second, and of the tiers that only large batches meet so many callers that
batches are large; `BENCHMARK_FAULT_S` (10) is how long something hangs. A caller asks
again on a new connection when one that it kept open turns out closed, as HTTP clients do for a GET, and not else.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from cluster.registry import Registry
from models.errors import BundleError
from tests.benchmarks.offered_load import Answers, Load, ask_for, homes, load
from tests.benchmarks.serving_world import (
    DEPLOYMENTS,
    NUM_ITEMS,
    NUM_USERS,
    demo_registry,
    replica_counts,
    seconds,
    wait_until,
    warm_store,
)
from tests.cluster.redis.redis_server import start
from tests.serve_apps.running_server import RunningServer, running_server
from tests.serve_apps.sample_bundle import publish

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1_800)]

RATE = seconds("BENCHMARK_RATE", 50)
FAULT_S = seconds("BENCHMARK_FAULT_S", 10)
CALLERS = 48
"""Half of them in each of the batches under way: three times what a router does itself."""
QUIET_S = 3.0
"""Before a fault and after it, of the same load."""
BACK_S = 5.0
"""How soon after a fault answers come from the full chain again."""
READY_S = 120.0
MIN_FULL = 0.9
"""Of the answers, how many come from the full chain while nothing is wrong; other work on the machine costs some."""


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Registry:
    return demo_registry(tmp_path_factory.mktemp("registry"))


@pytest.fixture(scope="module")
def redis_pid_and_server(
    registry: Registry, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[int, RunningServer]]:
    home, folder = tmp_path_factory.mktemp("home"), tmp_path_factory.mktemp("redis")
    with start(folder) as (redis, url):
        warm_store(url)
        with running_server(home, registry.uri, environment={"SHOAL_STORE": url}) as server:
            ask_for(server.url, homes(NUM_USERS, 10_000), 5, callers=4)  # warm
            yield redis.pid, server


@pytest.fixture
def server(redis_pid_and_server: tuple[int, RunningServer]) -> RunningServer:
    """The running server, whole again."""
    server = redis_pid_and_server[1]
    wait_until(lambda: replica_counts(server) == dict.fromkeys(DEPLOYMENTS, 1), READY_S, "one replica of each")
    return server


@pytest.mark.parametrize("deployment", ["Retrieval", "Ranking", "Router"])
def test_a_killed_replica_fails_no_request(server: RunningServer, deployment: str) -> None:
    _kill(server, deployment)


def test_one_of_two_gateways_that_is_killed_fails_no_request(registry: Registry, tmp_path: Path) -> None:
    """Behind the only one there would be nobody to answer until another has started."""
    warm_store(f"sqlite:///{tmp_path / 'online.db'}")
    with running_server(tmp_path, registry.uri, environment={"SHOAL_MIN_REPLICAS": "2"}) as server:
        wait_until(lambda: replica_counts(server) == dict.fromkeys(DEPLOYMENTS, 2), READY_S, "two replicas of each")
        ask_for(server.url, homes(NUM_USERS, 10_000), 5, callers=4)  # warm
        _kill(server, "Gateway")


def _kill(server: RunningServer, deployment: str) -> None:
    """End the process of a replica under a steady load; no request may fail, and rows come from the full chain soon."""
    before = set(server.replicas(deployment))
    pid = min(before)
    with _steady(server, deployment) as under_way:
        time.sleep(QUIET_S)
        killed = time.monotonic()
        os.kill(pid, signal.SIGKILL)
        back_s = wait_until(lambda: bool(set(server.replicas(deployment)) - before), READY_S, f"another {deployment}")
        _wait_for_full_rows(server)
        whole_s = time.monotonic() - killed
        time.sleep(QUIET_S + BACK_S)
    answers = under_way.answers
    print(
        f"\n{deployment} killed: process back after {back_s:.1f} s, full rows after {whole_s:.1f} s; {answers.line()}"
    )
    assert answers.failed == []
    _assert_full(answers.since(killed + whole_s + BACK_S))


def test_a_store_that_hangs_costs_a_rung_and_no_request(redis_pid_and_server: tuple[int, RunningServer]) -> None:
    redis_pid, server = redis_pid_and_server
    meanwhile = _hang(server, redis_pid, "Redis")
    assert meanwhile.rungs().keys() <= {"trending", "popular"}


@pytest.mark.parametrize(
    ("deployment", "rungs"), [("Ranking", {"without_ranking"}), ("Retrieval", {"cached", "trending", "popular"})]
)
def test_a_tier_that_hangs_costs_a_rung_and_no_request(server: RunningServer, deployment: str, rungs: set[str]) -> None:
    [pid] = server.replicas(deployment)
    meanwhile = _hang(server, pid, deployment)
    assert sum(meanwhile.rungs()[rung] for rung in rungs) > 0.5 * len(meanwhile)  # a small batch needs no tier


def test_a_corrupt_bundle_is_refused_and_the_old_one_goes_on(server: RunningServer, registry: Registry) -> None:
    publish(registry, "corrupt", NUM_ITEMS, NUM_USERS, seed=9)
    weights = Path(registry.uri) / "bundles" / "corrupt" / "ranker.safetensors"
    data = bytearray(weights.read_bytes())
    data[len(data) // 2] ^= 1
    weights.write_bytes(data)
    try:
        with load(server.url, homes(NUM_USERS), rate=RATE) as under_way:
            time.sleep(QUIET_S)
            with pytest.raises(BundleError, match=r"ranker\.safetensors was altered"):
                registry.promote("corrupt")
            registry._write_alias("corrupt", ("v1",))  # as if it was damaged right after
            time.sleep(FAULT_S)
    finally:
        registry._write_alias("v1", ())
    print(f"\na corrupt bundle promoted: {under_way.answers.line()}")
    assert under_way.answers.failed == []
    assert {each.version for each in under_way.answers.ok} == {"v1"}
    _assert_full(under_way.answers)


def _hang(server: RunningServer, pid: int, name: str) -> Answers:
    """Stop a process for a while under a steady load: no request fails, and full rows are back soon. What was answered
    meanwhile.
    """
    with _steady(server, name) as under_way:
        time.sleep(QUIET_S)
        with _stopped(pid):
            stopped = time.monotonic()
            time.sleep(FAULT_S)
        gone_on = time.monotonic()
        time.sleep(BACK_S + QUIET_S)
    answers = under_way.answers
    meanwhile = Answers([each for each in answers.all if stopped + 0.5 < each.sent < gone_on - 0.5])
    print(f"\n{name} stopped for {FAULT_S:g} s: {answers.line()}\nmeanwhile: {meanwhile.line()}")
    assert answers.failed == []
    _assert_full(answers.since(gone_on + BACK_S))
    return meanwhile


def _steady(server: RunningServer, deployment: str) -> AbstractContextManager[Load]:
    """A load that meets the deployment."""
    if deployment in ("Retrieval", "Ranking"):
        return load(server.url, homes(NUM_USERS), callers=CALLERS)
    return load(server.url, homes(NUM_USERS), rate=RATE)


@contextmanager
def _stopped(pid: int) -> Iterator[None]:
    """The process hangs for the length of the block."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def _wait_for_full_rows(server: RunningServer) -> None:
    wait_until(lambda: ask_for(server.url, homes(5), 0.5, callers=1).rungs()["full"] > 0, READY_S, "full rows")


def _assert_full(answers: Answers) -> None:
    assert answers.rungs()["full"] >= MIN_FULL * len(answers), answers.line()
