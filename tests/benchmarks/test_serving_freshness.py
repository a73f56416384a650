"""How soon an answer knows, under load: of a click and a deleted item, the very next one; of a new item, one within
five seconds; of another champion, all within ten.

Prints times. `BENCHMARK_RATE` (50) requests a second.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from cluster.registry import Registry
from tests.benchmarks.offered_load import Answers, ask_for, homes, load
from tests.benchmarks.serving_world import NUM_USERS, demo_registry, seconds, warm_store
from tests.serve_apps.running_server import RunningServer, running_server
from tests.serve_apps.tasteful_bundle import TASTES, item, publish_tasteful

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

RATE = seconds("BENCHMARK_RATE", 50)
MAX_S, MAX_OF_AN_ITEM_S = 10.0, 5.0
TRIES = 20
HOME = "/api/recommendations/home"


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Registry:
    return demo_registry(tmp_path_factory.mktemp("registry"), versions=2)


@pytest.fixture(scope="module")
def server(registry: Registry, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    home = tmp_path_factory.mktemp("home")
    warm_store(f"sqlite:///{home / 'online.db'}")
    with running_server(home, registry.uri) as server:
        ask_for(server.url, homes(NUM_USERS, 10_000), 5, callers=4)  # warm
        yield server


def test_a_click_changes_the_very_next_answer(server: RunningServer) -> None:
    took_ms = []
    with load(server.url, homes(NUM_USERS), rate=RATE) as under_way, httpx.Client(base_url=server.url) as http:
        for attempt in range(TRIES):
            user = {"user_id": f"u{attempt}", "timeout_ms": "5000"}
            row = _row(http, user["user_id"])
            clicked = time.perf_counter()
            event = {"user_id": user["user_id"], "item_id": row[0], "event_type": "click"}
            assert http.post("/api/interactions", json=event).json()["accepted"] == 1
            answer = http.get(HOME, params=user).json()
            took_ms.append(1_000 * (time.perf_counter() - clicked))
            after = [each["item_id"] for each in answer["items"]]
            assert (answer["fallback"], row[0] in after, after == row) == (None, False, False), attempt
    p50 = sorted(took_ms)[TRIES // 2]
    print(f"\n{TRIES} of {TRIES} clicks changed the next answer; click and answer together p50 {p50:.0f} ms")
    assert under_way.answers.failed == []


def test_promote_and_rollback_answer_everywhere_within_ten_seconds(server: RunningServer, registry: Registry) -> None:
    for action, old, new in (("promote", "v1", "v2"), ("rollback", "v2", "v1")):
        with load(server.url, homes(NUM_USERS), rate=RATE) as under_way:
            time.sleep(2)
            moved = time.monotonic()
            registry.promote(new) if action == "promote" else registry.rollback()
            time.sleep(MAX_S + 2)
        answers = under_way.answers
        first = min(each.sent for each in answers.ok if each.version == new) - moved
        last = max(each.sent for each in answers.ok if each.version == old) - moved
        print(
            f"\n{action}: first answer of {new} after {first:.1f} s, last of {old} after {last:.1f} s; {answers.line()}"
        )
        assert answers.failed == []
        assert last < MAX_S
        assert _versions(answers.since(moved + MAX_S)) == {new}


def test_a_new_item_is_recommended_within_five_seconds_and_a_deleted_one_never(tmp_path: Path) -> None:
    took = []
    with (
        running_server(tmp_path, publish_tasteful(tmp_path / "registry", "als")) as server,
        load(server.url, homes(NUM_USERS), rate=RATE) as under_way,
        httpx.Client(base_url=server.url, timeout=30) as http,
    ):
        for attempt in range(TRIES):
            taste, user_id, new = TASTES[attempt % len(TASTES)], f"fan-{attempt}", f"new-{attempt}"
            liked = [{"user_id": user_id, "item_id": item(taste, n), "event_type": "like"} for n in range(3)]
            assert http.post("/api/interactions", json=liked).json()["accepted"] == 3
            put = http.put(f"/api/items/{new}", json={"title": f"Another {taste} record", "categories": [taste]})
            acknowledged = time.perf_counter()
            put.raise_for_status()
            while new not in _row(http, user_id):
                assert time.perf_counter() - acknowledged < MAX_OF_AN_ITEM_S, attempt
            took.append(time.perf_counter() - acknowledged)
            http.delete(f"/api/items/{new}").raise_for_status()
            assert new not in _row(http, user_id), attempt
    print(f"\n{TRIES} of {TRIES} new items recommended, the last {max(took):.2f} s after it was put")
    print(under_way.answers.line())
    assert under_way.answers.failed == []


def _row(http: httpx.Client, user_id: str) -> list[str]:
    answer = http.get(HOME, params={"user_id": user_id, "timeout_ms": 5_000})
    assert answer.status_code == 200, answer.text
    return [each["item_id"] for each in answer.json()["items"]]


def _versions(answers: Answers) -> set[str]:
    return {each.version for each in answers.ok}
