"""kill -9 at random moments under load: nothing acknowledged is lost, nothing is in the lake or counted twice."""

from __future__ import annotations

from pathlib import Path

import pytest

from cluster.delta.lake import Lake
from tests.cluster.consuming.storm import Outcome, kill_consumers, kill_redis, kill_writers

pytestmark = pytest.mark.slow


def check(outcome: Outcome) -> None:
    assert len(outcome.acknowledged) > 100
    assert (outcome.num_lost, outcome.num_duplicated) == (0, 0)
    assert outcome.num_counted == len(outcome.in_lake)


def test_consumers(tmp_path: Path, lake: Lake) -> None:
    check(kill_consumers(f"sqlite:///{tmp_path}/online.db", lake, times=1))


def test_writers_of_the_sqlite_file(tmp_path: Path, lake: Lake) -> None:
    check(kill_writers(f"sqlite:///{tmp_path}/online.db", lake, times=2))


def test_the_redis_server(tmp_path: Path, lake: Lake) -> None:
    (tmp_path / "redis").mkdir()
    check(kill_redis(tmp_path / "redis", lake, times=1))
