"""`ray job submit` on a cluster with token authentication: our code travels as the working directory."""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import polars as pl
import pytest

from cluster.delta.lake import Lake
from cluster.free_ports import free_port, free_ports
from cluster.registry import Registry
from tests.benchmarks.process_memory import family
from tests.pipelines.learning.checkerboard import SIZE, write_checkerboard

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("ray")]

ROOT = Path(__file__).resolve().parents[2]
RAY = str(Path(sys.executable).with_name("ray"))
# Ray replaces 127.0.0.1 by the host's address; its neighbour on loopback stays what it is.
NODE = "127.0.0.2"


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Environment of a client of a one-node cluster that asks for a token."""
    port, dashboard = free_ports(2, NODE)
    home = tmp_path_factory.mktemp("home")
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("RAY_", "PYTHONPATH"))},
        "HOME": str(home),
        # `python` on the cluster is an interpreter with the dependencies and nothing of ours on its path.
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN": secrets.token_hex(32),
        "OMP_NUM_THREADS": "1",
        "RAY_idle_worker_killing_time_threshold_ms": "20000",
    }
    options = {
        "node-ip-address": NODE,
        "port": port,
        "dashboard-host": NODE,
        "dashboard-port": dashboard,
        "dashboard-agent-listen-port": free_port(NODE),
        "num-cpus": 4,
    }
    command = [RAY, "start", "--head", "--block", "--object-store-memory=300000000", "--disable-usage-stats"]
    head = subprocess.Popen(
        [*command, *(f"--{name}={value}" for name, value in options.items())],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    environment["RAY_ADDRESS"] = f"http://{NODE}:{dashboard}"
    try:
        wait_for_agent(environment, head)
        yield environment
    finally:
        stop(head)


def stop(head: subprocess.Popen[bytes]) -> None:
    """End the head and all that it started; on its own it waits half a minute for workers that have nothing to do."""
    started = family(head.pid)
    head.terminate()
    with suppress(subprocess.TimeoutExpired):
        head.wait(3)
    for pid in started:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    head.wait(30)


def wait_for_agent(environment: dict[str, str], head: subprocess.Popen[bytes]) -> None:
    """Until a job that does nothing goes through: the job agent comes up after the dashboard."""
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline and head.poll() is None:
        if submit(environment, "python", "-c", "pass", working_dir=None).returncode == 0:
            return
        time.sleep(1)
    pytest.fail("the cluster did not take a job within 90 s")


def submit(
    environment: dict[str, str], *entrypoint: str, working_dir: Path | None = ROOT
) -> subprocess.CompletedProcess[str]:
    where = ["--working-dir", str(working_dir)] if working_dir else []
    return subprocess.run(
        [RAY, "job", "submit", *where, "--", *entrypoint],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=400,
    )


def run(environment: dict[str, str], pipeline: str, *arguments: object) -> None:
    done = submit(environment, "python", "-m", f"pipelines.{pipeline}", *map(str, arguments))
    assert done.returncode == 0, done.stdout[-3_000:] + done.stderr[-2_000:]


def test_the_daily_run_and_batch_answers_run_as_jobs(cluster: dict[str, str], tmp_path: Path) -> None:
    log, recs = tmp_path / "log.parquet", tmp_path / "recs.parquet"
    write_checkerboard(Lake(str(tmp_path / "world")))
    pl.read_delta(str(tmp_path / "world" / "interactions")).drop("date").write_parquet(log)
    lake, runs, published = (f"--{name}={tmp_path / name}" for name in ("lake", "runs", "registry"))
    once = ("training.epochs=4", "training.refit=false")
    settings = (*once, "training.batch_size=8", "optimizer.table_learning_rate=0.2")
    trained = ("--ranker=none", *(f"--set={setting}" for setting in settings))
    run(cluster, "retrain", "--source", log, lake, runs, published, *trained)

    registry = Registry(str(tmp_path / "registry"))
    metrics = registry.manifest(registry.champion() or "none").metrics
    assert metrics["model"]["ndcg@10"] > metrics["popularity"]["ndcg@10"]

    run(cluster, "recommend", "--users", "all", "--k", 5, "--out", recs, lake, published)
    recommended = pl.read_parquet(recs)
    assert recommended.columns == ["user_id", "rank", "item_id", "score"]
    assert recommended.sort("user_id", "rank")["rank"].to_list() == [1, 2, 3, 4, 5] * SIZE


def test_a_wrong_token_is_refused(cluster: dict[str, str]) -> None:
    request = urllib.request.Request(f"{cluster['RAY_ADDRESS']}/api/jobs/", headers={"Authorization": "Bearer wrong"})
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(request, timeout=10)
    assert refused.value.code in (401, 403)
    refused.value.close()
