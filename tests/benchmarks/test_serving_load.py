"""The shipped graph under more and more load: latencies at half of what it sustains, at it, and past it; replicas that
come and go. Prints figures; asserts bars.

What it sustains is the highest rate offered, in an open loop, at which nothing is refused and the 99th percentile is in
the bar. Server and caller share the machine. `BENCHMARK_SECONDS` (20) is the length of each run, of the overload
three times as long.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from cluster.registry import Registry
from tests.benchmarks.offered_load import Answers, ask_for, homes, load
from tests.benchmarks.serving_world import (
    DEPLOYMENTS,
    NUM_USERS,
    demo_registry,
    replica_counts,
    seconds,
    wait_until,
    warm_store,
)
from tests.serve_apps.running_server import RunningServer, running_server

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1_800)]

RUN_S = seconds("BENCHMARK_SECONDS", 20)
OVERLOAD_S = 3 * RUN_S
MAX_P99_MS = {"half": 50.0, "sustained": 200.0, "twice": 300.0}
CALLERS = 32
"""As many as the gateway always lets in, so that a saturated server refuses nobody."""
SHARES = (0.95, 0.85, 0.75, 0.65, 0.55, 0.45)
"""Of what `CALLERS` are answered in a closed loop, the rates that are tried; an open loop has no mercy."""
BACK_TO_NORMAL_S = 5.0
ALIKE = 1.25
"""Two runs of the same rate differ by so much."""
GROW_S, SHRINK_S = 90.0, 90.0


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Registry:
    return demo_registry(tmp_path_factory.mktemp("registry"))


@pytest.fixture
def home(tmp_path: Path) -> Path:
    warm_store(f"sqlite:///{tmp_path / 'online.db'}")
    return tmp_path


@pytest.fixture
def server(registry: Registry, home: Path) -> Iterator[RunningServer]:
    """The server as it is by default."""
    with running_server(home, registry.uri) as server:
        ask_for(server.url, homes(NUM_USERS, 10_000), 5, callers=8)  # warm
        yield server


def test_latency_at_half_at_and_past_what_it_sustains(server: RunningServer) -> None:
    rate, sustained = _sustained(server)
    runs = {"half": _run(server, "half", 0.5 * rate), "sustained": sustained}
    before = time.monotonic()
    runs["twice"] = _run(server, "twice", 2 * rate, OVERLOAD_S)
    ended = before + OVERLOAD_S
    after = _run(server, "after", 0.5 * rate, 2 * BACK_TO_NORMAL_S)
    later = after.since(ended + BACK_TO_NORMAL_S)
    print(f"from {BACK_TO_NORMAL_S:g} s after it on: {later.line()}")
    refused = runs["twice"].failed
    assert {name: runs[name].p(99) < bar for name, bar in MAX_P99_MS.items()} == dict.fromkeys(MAX_P99_MS, True)
    assert [each for each in refused if not each.clean_refusal] == []
    assert (runs["half"].failed, later.failed) == ([], [])
    assert later.p(99) < max(MAX_P99_MS["half"], ALIKE * runs["half"].p(99))


def _sustained(server: RunningServer) -> tuple[float, Answers]:
    """The highest rate in the bar, and what it was answered."""
    closed = ask_for(server.url, homes(NUM_USERS, 10_000), RUN_S, callers=CALLERS)
    most = len(closed.ok) / RUN_S
    print(f"\n{CALLERS} callers, one request at a time each: {most:.0f} a second; {closed.line()}")
    for share in SHARES:
        answers = _run(server, f"{100 * share:.0f} %", share * most)
        if not answers.failed and answers.p(99) < MAX_P99_MS["sustained"]:
            return share * most, answers
    raise AssertionError(f"not even {SHARES[-1]:.0%} of {most:.0f} requests a second are answered in time")


def _run(server: RunningServer, name: str, rate: float, for_s: float = RUN_S) -> Answers:
    before = server.cpu_s()
    answers = ask_for(server.url, homes(NUM_USERS), for_s, rate=rate)
    cpu_ms = 1_000 * (server.cpu_s() - before) / max(1, len(answers))
    good, machine_load = len(answers.ok) / for_s, os.getloadavg()[0]
    print(f"{name:>9}: {rate:.0f}/s offered, {good:.0f}/s good, {cpu_ms:.1f} CPU-ms each, load {machine_load:.1f}")
    print(f"{'':>9}  {answers.line()}", flush=True)
    return answers


def test_replicas_grow_under_load_and_shrink_after_it(registry: Registry, home: Path) -> None:
    environment = {"SHOAL_MAX_REPLICAS": "2", "SHOAL_UPSCALE_DELAY_S": "2", "SHOAL_DOWNSCALE_DELAY_S": "5"}
    similar = [f"/api/recommendations/similar?item_id=i{n}&timeout_ms=10000" for n in range(NUM_USERS)]
    paths = [path for pair in zip(homes(NUM_USERS, 10_000), similar, strict=True) for path in pair]
    with running_server(home, registry.uri, environment=environment) as server:
        assert replica_counts(server) == dict.fromkeys(DEPLOYMENTS, 1)
        started = time.monotonic()
        grown: dict[str, float] = {}
        with load(server.url, paths, callers=CALLERS) as under_way:
            while len(grown) < len(DEPLOYMENTS) and time.monotonic() < started + GROW_S:
                for name, num in replica_counts(server).items():
                    if num > 1:
                        grown.setdefault(name, time.monotonic() - started)
                time.sleep(0.5)
        print(f"\nsecond replica after: {_times(grown)}; {under_way.answers.line()}")
        assert grown.keys() == set(DEPLOYMENTS)
        with load(server.url, homes(NUM_USERS, 10_000), rate=5) as calm:
            shrunk_s = wait_until(lambda: max(replica_counts(server).values()) == 1, SHRINK_S, "one replica each")
        print(f"one of each again after {shrunk_s:.0f} s of calm; {calm.answers.line()}")
        assert (under_way.answers.failed, calm.answers.failed) == ([], [])


def _times(after: dict[str, float]) -> str:
    return ", ".join(f"{name} {took_s:.0f} s" for name, took_s in after.items()) or "none"
