"""An empty lake, and an empty store in a file: processes of their own open the same by its URL."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from cluster.delta.lake import Lake
from cluster.online.store import OnlineStore, open_store


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/online.db"


@pytest.fixture
def sqlite_store(url: str) -> Iterator[OnlineStore]:
    store = open_store(url)
    yield store
    store.close()


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(str(tmp_path / "lake"))
