"""The shipped server over HTTP: HAProxy, four deployments, batches. One start for the whole file."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from cluster.commands.keys import main as keys_command
from cluster.delta.lake import Lake
from cluster.online.store import open_store
from cluster.registry import Registry
from models.tables import Table
from tests.serve_apps.running_server import RunningServer, running_server
from tests.serve_apps.sample_bundle import publish

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("servers")]

KEY = "a-key-for-the-test"
HOME = "/api/recommendations/home"
PATIENT = {"timeout_ms": 5_000}
"""Other tests may share the machine, and a rung is not what is asked about here."""
_TCP_LISTEN = "0A"


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Registry:
    registry = Registry(str(tmp_path_factory.mktemp("registry")))
    publish(registry, "v1", seed=1)
    publish(registry, "v2", seed=2)
    registry.promote("v1")
    return registry


@pytest.fixture(scope="module")
def server(registry: Registry, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    home = tmp_path_factory.mktemp("home")
    with running_server(home, registry.uri, environment={"SHOAL_API_KEYS": KEY}) as server:
        yield server
    assert server.processes() == []


@pytest.fixture(scope="module")
def http(server: RunningServer) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.url, headers={"X-API-Key": KEY}, timeout=30) as client:
        yield client


def _home(http: httpx.Client, user_id: str, **query: Any) -> dict[str, Any]:
    answer = http.get(HOME, params={"user_id": user_id, **PATIENT, **query})
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def _ids(answer: dict[str, Any]) -> list[str]:
    return [item["item_id"] for item in answer["items"]]


@contextmanager
def _load(http: httpx.Client) -> Iterator[Counter[str]]:
    """Four callers that ask without a pause; what they were answered is counted."""
    seen: Counter[str] = Counter()
    stop = threading.Event()

    def ask(caller: int) -> None:
        number = 0
        while not stop.is_set():
            number += 1
            answer = http.get(HOME, params={"user_id": f"u{(caller + 4 * number) % 20}", **PATIENT})
            body = answer.json()
            seen[f"{answer.status_code} {body.get('model_version')} {body.get('fallback')}"] += 1

    with ThreadPoolExecutor(4) as pool:
        callers = [pool.submit(ask, caller) for caller in range(4)]
        try:
            yield seen
        finally:
            stop.set()
    for caller in callers:
        caller.result()


def test_an_event_shows_in_the_very_next_answer(http: httpx.Client) -> None:
    for attempt in range(20):
        row = _ids(_home(http, "u1"))
        event = {"user_id": "u1", "item_id": row[0], "event_type": ("click", "like", "hide")[attempt % 3]}
        assert http.post("/api/interactions", json=event).json()["accepted"] == 1
        after = _ids(_home(http, "u1"))
        assert row[0] not in after
        assert after != row


def test_an_item_that_is_withdrawn_is_in_no_next_answer_until_it_is_back(http: httpx.Client) -> None:
    for user_id in ("u4", "u6"):  # what a stranger is shown changes with what is trending
        for _ in range(5):
            row = _ids(_home(http, user_id))
            path = f"/api/items/{row[0]}"
            assert http.put(path, json={"title": "Now"}).json()["title"] == "Now"
            assert _home(http, user_id)["items"][0]["metadata"]["title"] == "Now"
            assert http.patch(path, json={"available": False}).json()["available"] is False
            after = _ids(_home(http, user_id))
            assert (row[0] in after, len(after)) == (False, 20)
            assert http.delete(path).json() == {"item_id": row[0], "deleted": True}
            assert row[0] not in _ids(_home(http, user_id))
            assert http.put(path, json={}).status_code == 200
            assert _ids(_home(http, user_id)) == row


def test_an_event_reaches_the_lake_and_what_is_trending_by_itself(server: RunningServer, http: httpx.Client) -> None:
    event = {"user_id": "u9", "item_id": "i3", "event_type": "click", "country": "NO", "interaction_id": "by itself"}
    assert http.post("/api/interactions", json=event).json()["accepted"] == 1
    lake, store = Lake(str(server.home / "lake")), open_store(f"sqlite:///{server.home / 'online.db'}")
    deadline = time.monotonic() + 30
    while "by itself" not in lake.read(Table.INTERACTIONS, ["interaction_id"])["interaction_id"].to_pylist():
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert [trend.item_id for trend in store.trending("NO", None, 1)] == ["i3"]
    store.close()


def test_strangers_unknown_items_and_similar_ones(http: httpx.Client) -> None:
    assert _home(http, "nobody")["fallback_cause"] == "unknown_user"
    for item_id, fallback in (("i1", None), ("nothing", "unknown_item")):
        answer = http.get("/api/recommendations/similar", params={"item_id": item_id, **PATIENT}).json()
        assert (answer["fallback_cause"], len(answer["items"])) == (fallback, 20)


def test_questions_asked_at_once_get_their_own_answers(http: httpx.Client) -> None:
    alone = {f"u{n}": _ids(_home(http, f"u{n}")) for n in range(2, 10)}
    with ThreadPoolExecutor(16) as pool:
        users = [f"u{2 + n % 8}" for n in range(160)]
        together = list(pool.map(lambda user_id: _ids(_home(http, user_id)), users))
    assert together == [alone[user_id] for user_id in users]


def test_bad_input_and_missing_keys(server: RunningServer, http: httpx.Client) -> None:
    event = {"user_id": "u3", "item_id": "i1", "event_type": "view", "interaction_id": "once"}
    statuses = [http.post("/api/interactions", json=event).json()["results"][0]["status"] for _ in range(2)]
    assert statuses == ["accepted", "duplicate"]
    cases = [
        (http.post("/api/interactions", content=b"{"), 400),
        (http.post("/api/interactions", content=b" " * 10_000_000), 413),
        (http.post("/api/interactions", json={**event, "event_type": "lick"}), 422),
        (http.post("/api/feedback", json=event), 422),
        (http.get(HOME), 422),
        (http.get("/nowhere"), 404),
        (http.put(HOME), 405),
        (http.put("/api/items/i1", json={"titel": "x"}), 422),
        (http.get("/api/items/nothing"), 404),
        (httpx.get(f"{server.url}{HOME}?user_id=u1"), 401),
    ]
    for answer, status in cases:
        assert answer.status_code == status
        assert set(answer.json()["error"]) == {"code", "message", "details"}


def test_keys_made_beside_a_running_server_are_followed(
    server: RunningServer, http: httpx.Client, capsys: pytest.CaptureFixture[str]
) -> None:
    path = str(server.home / "keys.json")

    def shoal_keys(*argv: str) -> dict[str, str]:
        capsys.readouterr()
        assert keys_command([*argv, "--file", path]) == 0
        time.sleep(1.1)
        return {"Authorization": f"Bearer {capsys.readouterr().out.strip()}"}

    reader = shoal_keys("add", "--name", "site", "--role", "read")
    question = {"user_id": "u4"}
    assert httpx.get(f"{server.url}{HOME}", params=question, headers=reader).status_code == 200
    assert httpx.post(f"{server.url}/api/interactions", json={}, headers=reader).status_code == 403
    fresh = shoal_keys("rotate", "site", "--grace", "0s")
    statuses = [httpx.get(f"{server.url}{HOME}", params=question, headers=sent).status_code for sent in (reader, fresh)]
    assert statuses == [401, 200]
    assert http.get(HOME, params=question).status_code == 200  # the key of the settings goes on


def test_http_and_the_ports_of_haproxy_listen_on_loopback_alone(server: RunningServer) -> None:
    [haproxy] = [pid for pid, title in server.processes() if "haproxy.cfg" in title]
    sockets = {os.readlink(fd) for fd in Path(f"/proc/{haproxy}/fd").iterdir() if fd.is_symlink()}
    addresses = []
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/{haproxy}/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == _TCP_LISTEN and f"socket:[{fields[9]}]" in sockets:
                addresses.append(fields[1].split(":")[0])
    assert addresses == ["0100007F"] * 3  # 127.0.0.1, low byte first: HTTP, statistics, metrics


def test_a_killed_replica_costs_no_answer(server: RunningServer, http: httpx.Client) -> None:
    for deployment in ("Ranking", "Retrieval"):
        with _load(http) as seen:
            time.sleep(1)
            [pid] = server.replicas(deployment)
            os.kill(pid, signal.SIGKILL)
            _wait_for_another(server, deployment, pid)
            time.sleep(1)
        assert {answer.split()[0] for answer in seen} == {"200"}, (deployment, seen)


def _wait_for_another(server: RunningServer, deployment: str, pid: int) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if any(other != pid for other in server.replicas(deployment)):
            return
        time.sleep(0.1)
    raise AssertionError(f"no new replica of {deployment}")


def test_promote_and_rollback_answer_within_ten_seconds_under_load(registry: Registry, http: httpx.Client) -> None:
    for version in ("v2", "v1"):
        with _load(http) as seen:
            if version == "v2":
                registry.promote("v2")
            else:
                registry.rollback()
            started = time.monotonic()
            while _home(http, "u1")["model_version"] != version:
                assert time.monotonic() - started < 10
                time.sleep(0.1)
            time.sleep(1)
        assert {answer.split()[0] for answer in seen} == {"200"}
        assert {answer.split()[2] for answer in seen} == {"None"}, seen
