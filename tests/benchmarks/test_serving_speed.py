"""The price of the chain: the shipped graph beside the same one with stock Serve settings and no batches, and beside
the same stages in one process without Ray. Prints figures; asserts ratios.

A bundle of demo size with its ranker, users with 30 events each, every history read in its request. One
machine serves and asks: `wrk -t1` at 1, 16 and 64 connections. CPU is that of all the server's processes; the load
average tells whether other work shared the machine, which CPU a request survives and requests a second do not.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from cluster.registry import Registry
from tests.benchmarks.serving_world import NUM_ITEMS, NUM_USERS, warm_store
from tests.serve_apps.running_server import RunningServer, running_server
from tests.serve_apps.sample_bundle import publish

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("wrk") is None, reason="wrk is missing: apt-get install wrk"),
]

CONNECTIONS = (1, 16, 64)
DURATION_S = 12
MIN_OF_STOCK, MIN_OF_ONE_PROCESS = 6.0, 1.0
"""Requests a second at 64 connections, the shipped graph over the others."""
MAX_P50_MS = 8.0
"""Of the shipped graph at one connection."""
GRAPHS: dict[str, tuple[str, list[str]]] = {
    "shipped": ("serve_apps.serve", []),
    "stock": ("serve_apps.serve", ["--stock"]),
    "one process": ("tests.benchmarks.one_process", ["--unbatched"]),
    "one, batched": ("tests.benchmarks.one_process", []),
}
ENVIRONMENT = {"OMP_NUM_THREADS": "1"}
"""As the replicas of the graph have it: threads that wait for each other by spinning cost a request twice its CPU."""
_SCRIPT = """
local n = 0
request = function()
  n = n + 1
  return wrk.format("GET", "/api/recommendations/home?timeout_ms=10000&user_id=u" .. (n * 7919 % USERS))
end
"""


@dataclass(frozen=True)
class Figures:
    """One run of wrk. Latencies in milliseconds; `cpu_ms`: of the server, an answer. `refused`: share that is not 2xx;
    one process turns some of 64 away, because its only event loop is late.
    """

    answers_s: float
    p50_ms: float
    p99_ms: float
    cpu_ms: float
    refused: float


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Registry:
    registry = Registry(str(tmp_path_factory.mktemp("registry")))
    publish(registry, "v1", NUM_ITEMS, NUM_USERS)
    registry.promote("v1")
    return registry


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A folder whose online store knows every user's history."""
    warm_store(f"sqlite:///{tmp_path / 'online.db'}")
    return tmp_path


def test_the_price_of_the_chain(registry: Registry, home: Path) -> None:
    figures, loads = {}, {}
    for name, (module, options) in GRAPHS.items():
        with running_server(home, registry.uri, *options, module=module, environment=ENVIRONMENT) as server:
            _ask(server, home, 16, 3)  # warm
            for connections in CONNECTIONS:
                figures[name, connections] = _ask(server, home, connections, DURATION_S)
                loads[name, connections] = os.getloadavg()[0]
    columns = f"{'answers/s':>11} {'p50 ms':>8} {'p99 ms':>8} {'CPU ms/answer':>15} {'refused':>8}  load"
    print(f"\n{'graph':<12} {'connections':>11} {columns}")
    for (name, connections), f in figures.items():
        row = f"{f.answers_s:>11.0f} {f.p50_ms:>8.1f} {f.p99_ms:>8.1f} {f.cpu_ms:>15.2f} {f.refused:>8.1%}"
        print(f"{name:<12} {connections:>11} {row}  {loads[name, connections]:.1f}")
    shipped = figures["shipped", 64].answers_s
    ratios = {name: shipped / figures[name, 64].answers_s for name in GRAPHS if name != "shipped"}
    print("at 64 connections the shipped graph answers", *(f"{r:.2f} × {name}" for name, r in ratios.items()), sep="  ")
    assert ratios["stock"] >= MIN_OF_STOCK
    assert ratios["one process"] >= MIN_OF_ONE_PROCESS
    assert figures["shipped", 1].p50_ms < MAX_P50_MS
    assert [figures["shipped", connections].refused for connections in CONNECTIONS] == [0.0] * len(CONNECTIONS)


def _ask(server: RunningServer, home: Path, connections: int, duration_s: int) -> Figures:
    script = home / "home.lua"
    script.write_text(_SCRIPT.replace("USERS", str(NUM_USERS)))
    before = server.cpu_s()
    options = ["-t1", f"-c{connections}", f"-d{duration_s}s", "--timeout", "60s", "--latency", "-s", str(script)]
    out = subprocess.run(["wrk", *options, server.url], capture_output=True, text=True, check=True).stdout
    cpu_s = server.cpu_s() - before
    assert "Socket errors" not in out, out
    num, refused = int(_found(r"(\d+) requests in", out)), int(_found(r"Non-2xx or 3xx responses: (\d+)|$", out) or 0)
    share = refused / num
    answers_s = (1 - share) * float(_found(r"Requests/sec:\s+([\d.]+)", out))
    return Figures(answers_s, _latency(out, 50), _latency(out, 99), 1_000 * cpu_s / (num - refused), share)


def _latency(out: str, percentile: int) -> float:
    value, unit = re.search(rf"{percentile}%\s+([\d.]+)(us|ms|s)", out).groups()  # type: ignore[union-attr]
    return float(value) * {"us": 1e-3, "ms": 1.0, "s": 1e3}[unit]


def _found(pattern: str, out: str) -> str:
    found = re.search(pattern, out)
    assert found, out
    return found.group(1)
