"""The whole server, its gateway killed again and again while batches of events are posted; the lake is counted."""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx

from cluster.delta.lake import Lake
from tests.cluster.consuming.storm import BATCH, Outcome, outcome
from tests.serve_apps.running_server import RunningServer, running_server

_READY_S = 120.0


class Poster:
    """Posts batches, each until it is acknowledged whole: new, or taken before under the same ids."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._stop = threading.Event()
        self.acknowledged: set[str] = set()
        self.num_again = 0
        self._pool = ThreadPoolExecutor(1)
        self._posting = self._pool.submit(self._post)

    def stop(self) -> None:
        """Return when the last batch is acknowledged; raises what went wrong while posting."""
        self._stop.set()
        self._pool.shutdown()
        self._posting.result()

    def _post(self) -> None:
        first = 0
        with httpx.Client(base_url=self._url, timeout=30) as http:
            while not self._stop.is_set():
                ids = [f"event-{number}" for number in range(first, first + BATCH)]
                events = [
                    {"interaction_id": each, "user_id": f"user-{at % 37}", "item_id": "item", "event_type": "click"}
                    for at, each in enumerate(ids)
                ]
                begun = time.monotonic()
                while not self._taken(http, events):
                    assert time.monotonic() - begun < _READY_S, "no gateway takes it"
                    self.num_again += 1
                    time.sleep(0.05)
                self.acknowledged.update(ids)
                first += BATCH

    @staticmethod
    def _taken(http: httpx.Client, events: list[dict[str, str]]) -> bool:
        try:
            answer = http.post("/api/interactions", json=events)
        except httpx.TransportError:
            return False
        return answer.status_code == 200 and answer.json()["rejected"] == 0


def kill_gateways(url: str, home: Path, registry: str, times: int, seed: int = 4) -> tuple[Outcome, int]:
    """What is left after so many kills at random moments, and how many posts were sent again."""
    chance = random.Random(seed)
    with running_server(home, registry, environment={"SHOAL_STORE": url}) as server:
        poster = Poster(server.url)
        try:
            for _ in range(times):
                _wait_ready(server)
                time.sleep(chance.uniform(0.2, 2.0))
                [pid] = server.replicas("Gateway")
                os.kill(pid, signal.SIGKILL)
            _wait_ready(server)
        finally:
            poster.stop()
    return outcome(url, Lake(str(home / "lake")), poster.acknowledged), poster.num_again


def _wait_ready(server: RunningServer) -> None:
    """One gateway, and it answers."""
    deadline = time.monotonic() + _READY_S
    while time.monotonic() < deadline:
        try:
            answer = httpx.get(f"{server.url}/api/health/ready", timeout=5)
        except httpx.TransportError:
            continue
        if answer.status_code == 200 and len(server.replicas("Gateway")) == 1:
            return
        time.sleep(0.1)
    raise AssertionError("no gateway came back")
