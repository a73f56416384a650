"""Home rows of users with short and long histories, one at a time: what was read of a user's past may not slow them.

A store keeps the newest 200 positive events of a user, so a thousand cost what two hundred do. Prints figures.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.benchmarks.offered_load import ask_for, homes
from tests.benchmarks.serving_world import NUM_USERS, demo_registry, seconds, warm_store
from tests.serve_apps.running_server import running_server

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

LENGTHS = (10, 100, 1_000)
RUN_S = seconds("BENCHMARK_SECONDS", 10)
MAX_RATIO = 1.5
"""The median of the longest history over that of the shortest."""


def test_home_rows_by_length_of_history(tmp_path: Path) -> None:
    registry = demo_registry(tmp_path / "registry")
    medians = {}
    print()
    for length in LENGTHS:
        home = tmp_path / str(length)
        home.mkdir()
        warm_store(f"sqlite:///{home / 'online.db'}", length)
        with running_server(home, registry.uri) as server:
            ask_for(server.url, homes(NUM_USERS, 10_000), 5, callers=8)  # warm
            answers = ask_for(server.url, homes(NUM_USERS, 10_000), RUN_S, callers=1)
        print(f"{length:>5} events: {answers.line()}")
        assert (answers.failed, answers.rungs()["full"]) == ([], len(answers))
        medians[length] = answers.p(50)
    assert medians[LENGTHS[-1]] < MAX_RATIO * medians[LENGTHS[0]]
