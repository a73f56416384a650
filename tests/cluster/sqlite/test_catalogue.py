"""SQLite keeps the contract of a catalogue store, and opens files of before there was one."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from cluster.online import catalogue
from cluster.sqlite.store import SqliteStore
from models.catalogue_entries import Kind
from models.errors import StoreError
from tests.cluster.online.catalogue_suite import CatalogueSuite, changed_ids, item
from tests.cluster.online.store_suite import event, items
from tests.cluster.online.stores import make_old


class TestSqliteCatalogue(CatalogueSuite):
    store_type = SqliteStore

    @pytest.fixture
    def address(self, tmp_path: Path) -> str:
        return str(tmp_path / "folder" / "online.db")


def test_a_file_made_before_there_was_a_catalogue_still_opens(tmp_path: Path) -> None:
    path = str(tmp_path / "online.db")
    store = SqliteStore(path)
    store.append([event(1)])
    store.close()
    make_old(path, 3)
    again = SqliteStore(path)
    catalogue.put(again.catalogue, Kind.ITEM, [("a", item(title="A"))])
    assert (items(again), changed_ids(again)) == (["item-1"], ["a"])
    again.close()


def test_a_batch_that_fails_leaves_nothing_behind(tmp_path: Path) -> None:
    path = str(tmp_path / "online.db")
    store = SqliteStore(path)
    catalogue.put(store.catalogue, Kind.ITEM, [("a", item(title="A"))])
    with sqlite3.connect(path) as db:
        db.execute(
            "CREATE TRIGGER full BEFORE INSERT ON catalogue WHEN NEW.id = 'c' BEGIN SELECT raise(ABORT, 'full'); END"
        )
    db.close()
    with pytest.raises(StoreError, match="full"):
        catalogue.put(store.catalogue, Kind.ITEM, [("b", item()), ("c", item())])
    assert changed_ids(store) == ["a"]
    store.close()
