"""How soon an answer knows: of a click, the very next one; of another champion, all within ten seconds, under load.

Prints times. `BENCHMARK_RATE` (50) requests a second.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

import httpx
import pytest

from cluster.registry import Registry
from tests.benchmarks.offered_load import Answers, ask_for, homes, load
from tests.benchmarks.serving_world import NUM_USERS, demo_registry, seconds, warm_store
from tests.serve_apps.running_server import RunningServer, running_server

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

RATE = seconds("BENCHMARK_RATE", 50)
MAX_S = 10.0
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
            user = {"user_id": f"u{attempt}", "timeout_ms": 5_000}
            row = [item["item_id"] for item in http.get(HOME, params=user).json()["items"]]
            clicked = time.perf_counter()
            event = {"user_id": user["user_id"], "item_id": row[0], "event_type": "click"}
            assert http.post("/api/interactions", json=event).json()["accepted"] == 1
            answer = http.get(HOME, params=user).json()
            took_ms.append(1_000 * (time.perf_counter() - clicked))
            after = [item["item_id"] for item in answer["items"]]
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


def _versions(answers: Answers) -> set[str]:
    return {each.version for each in answers.ok}
