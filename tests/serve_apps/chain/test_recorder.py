"""Exposures are written off the path of the answers: a store that is slow to write costs exposures, never rows."""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path

import pytest

from cluster.online.store import OnlineStore
from models.exposures import Exposure
from serve_apps.chain.stages import record
from tests.cluster.online.store_suite import logged
from tests.serve_apps.conftest import Serve

NUM_ANSWERS = 100
MOST_KEPT = 64


def test_rows_do_not_wait_for_writes(serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(record, "MAX_HELD", MOST_KEPT)
    server = serve()
    server.home("u1")
    other = sqlite3.connect(tmp_path / "online.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    assert {server.home("u1")["fallback"] for _ in range(NUM_ANSWERS)} == {None}
    other.execute("ROLLBACK")
    other.close()

    deadline = time.monotonic() + 10
    while (num := _num_exposures(server.store)) < MOST_KEPT and time.monotonic() < deadline:
        time.sleep(0.05)
    assert num in (MOST_KEPT, MOST_KEPT + 1)  # the first was written before the store was held


def test_what_waits_is_written_when_the_router_closes(serve: Serve) -> None:
    server = serve()
    server.home("u1")
    server.router.close()
    deadline = time.monotonic() + 10
    while not _num_exposures(server.store) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert _num_exposures(server.store) == 1


def _num_exposures(store: OnlineStore) -> int:
    return sum(isinstance(entry, Exposure) for entry in logged(store))
