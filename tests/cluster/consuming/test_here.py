"""One consumer as a process of its own: it works, says how far it is, gives its share back, and hangs for no longer."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from cluster.consuming import here
from cluster.consuming.consumer import ConsumeOptions, Consumer
from cluster.consuming.here import consume_here
from cluster.consuming.sink import LakeSink
from cluster.delta.lake import Lake
from cluster.free_ports import free_port
from cluster.online.store import OnlineStore
from models.errors import ConfigError, ShoalError
from models.tables import Table
from pipelines.consume import main
from tests.cluster.consuming.storm import eventually
from tests.cluster.online.store_suite import event

ROOT = Path(__file__).resolve().parents[3]
OPTIONS = ConsumeOptions(lake_interval_s=0.1, trending_interval_s=0.05, lease_s=0.6)


def scraped(port: int) -> dict[str, float]:
    """Samples of the page that Prometheus reads, by name and labels."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
        lines = answer.read().decode().splitlines()
    return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines if not line.startswith("#"))}


@pytest.mark.slow
def test_the_command_consumes_says_how_far_it_is_and_gives_its_share_back(
    url: str, sqlite_store: OnlineStore, tmp_path: Path
) -> None:
    lake, port = Lake(f"{tmp_path}/lake"), free_port()
    command = [sys.executable, "-m", "pipelines.consume", "--here", "--metrics-port", str(port), "--lake", lake.uri]
    environment = {**os.environ, "SHOAL_STORE": url, "SHOAL_LAKE_INTERVAL_S": "0.1"}
    with subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True) as process:
        sqlite_store.append([event(n, user=f"user-{n}", item="item") for n in range(50)])
        eventually(
            lambda: len(sqlite_store.leases.holders()) == 8 and sqlite_store.item_counts(["item"]) == [{"click": 50}]
        )
        eventually(lambda: lake.num_rows(Table.INTERACTIONS) == 50)
        samples = scraped(port)
        assert samples.keys() == {
            f'shoal_log_lag_{what}{{job="{job}",partition="{partition}"}}'
            for what in ("entries", "seconds") for job in ("lake", "trending") for partition in range(4)
        }  # fmt: skip
        assert set(samples.values()) == {0.0}
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=30)
    assert (process.returncode, sqlite_store.leases.holders()) == (0, [])
    assert re.search(r"this consumer moves the event log to .*lake", said)
    assert "Traceback" not in said


def test_one_that_hangs_ends_its_process(
    url: str, sqlite_store: OnlineStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hanging, for_ever, made = threading.Event(), threading.Event(), []

    class Noted(Consumer):
        """The real one, which the test can stop once its thread goes on."""

        def __init__(self, *args: Any) -> None:
            super().__init__(*args)
            made.append(self)

    def hang(*_: Any) -> None:
        hanging.set()
        for_ever.wait(60)

    monkeypatch.setattr(LakeSink, "step", hang)
    monkeypatch.setattr(here, "Consumer", Noted)
    monkeypatch.setattr(here, "HUNG_S", 2.0)  # a busy machine alone keeps nobody waiting for so long
    monkeypatch.setattr(here, "_CHECK_EVERY_S", 0.05)
    sqlite_store.append([event(1)])
    started = time.monotonic()
    with pytest.raises(ShoalError, match="has done nothing for"):
        consume_here(url, f"{tmp_path}/lake", OPTIONS, threading.Event(), None)
    assert time.monotonic() - started < 10
    assert hanging.is_set()
    for_ever.set()
    made[0].stop()


def test_a_port_that_is_taken_is_named(url: str, sqlite_store: OnlineStore, tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        at = ("127.0.0.1", int(taken.getsockname()[1]))
        with pytest.raises(ConfigError, match=f"{at[0]}:{at[1]} cannot be listened on"):
            consume_here(url, f"{tmp_path}/lake", OPTIONS, threading.Event(), at)
    assert sqlite_store.leases.holders() == []


def test_metrics_of_ray_are_elsewhere(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--metrics-port", "8080"]) == 2
    assert "--metrics-port is for --here" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["--here", "--consumers", "2"])
