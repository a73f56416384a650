"""SQLite keeps the contract of an online store, and what is special about a file."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

import pytest

from cluster.online.store import HISTORY_LIMIT, OnlineUser, open_store
from cluster.sqlite.store import SqliteStore
from models.errors import StoreError
from tests.cluster.online.store_suite import OnlineStoreSuite, event, items, read_all
from tests.cluster.online.stores import make_old


class TestSqliteStore(OnlineStoreSuite):
    store_type = SqliteStore

    @pytest.fixture
    def address(self, tmp_path: Path) -> str:
        return str(tmp_path / "folder" / "online.db")


def test_opening_touches_nothing_until_it_is_used(tmp_path: Path) -> None:
    open_store(f"sqlite:///{tmp_path}/online.db")
    assert list(tmp_path.iterdir()) == []


def test_two_files_have_two_names(tmp_path: Path) -> None:
    assert SqliteStore(str(tmp_path / "a.db")).identity() != SqliteStore(str(tmp_path / "b.db")).identity()


def test_a_file_that_is_no_database_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "online.db").write_text("not a database, " * 100)
    with pytest.raises(StoreError, match="did not answer"):
        SqliteStore(str(tmp_path / "online.db")).ping()


def test_a_folder_that_cannot_be_made_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StoreError, match="cannot be opened"):
        SqliteStore(str(tmp_path / "file" / "online.db")).ping()


def test_a_file_of_a_newer_schema_is_refused(tmp_path: Path) -> None:
    path = str(tmp_path / "online.db")
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA user_version = 99")
    db.close()
    with pytest.raises(StoreError, match="schema 99"):
        SqliteStore(path).ping()


def test_a_file_made_before_there_were_attributes_still_opens(tmp_path: Path) -> None:
    path = str(tmp_path / "online.db")
    store = SqliteStore(path)
    store.append([event(1, country="NO")])
    store.close()
    make_old(path, 2)
    again = SqliteStore(path)
    again.warm({"ann": OnlineUser(attributes={"age": "25"})})
    [ann] = again.users(["ann"])
    assert ([e.item_id for e in ann.history], ann.country, ann.attributes) == (["item-1"], "NO", {"age": "25"})
    again.close()


def test_a_write_that_fails_leaves_nothing_behind(tmp_path: Path) -> None:
    path = str(tmp_path / "online.db")
    store = SqliteStore(path)
    store.append([event(1)])
    with sqlite3.connect(path) as db:
        db.execute("CREATE TRIGGER full BEFORE INSERT ON history BEGIN SELECT raise(ABORT, 'disk is full'); END")
    with pytest.raises(StoreError, match="disk is full"):
        store.append([event(2), event(3)])
    with sqlite3.connect(path) as db:
        db.execute("DROP TRIGGER full")
    db.close()
    assert store.append([event(2), event(3)]) == [True, True]
    assert len(read_all(store)) == 3
    store.close()


def test_the_file_keeps_little_more_than_the_limit(tmp_path: Path) -> None:
    path = str(tmp_path / "online.db")
    store = SqliteStore(path)
    for first in range(0, 3 * HISTORY_LIMIT, 50):
        store.append([event(n, at_s=n) for n in range(first, first + 50)])
    store.close()
    with sqlite3.connect(path) as db:
        (num_rows,) = db.execute("SELECT count(*) FROM history").fetchone()
    db.close()
    assert HISTORY_LIMIT <= num_rows < HISTORY_LIMIT + 50


def test_a_forked_child_opens_connections_of_its_own(tmp_path: Path) -> None:
    store = SqliteStore(str(tmp_path / "online.db"))
    store.append([event(1)])
    child = os.fork()
    if child == 0:
        status = 1
        try:
            store.append([event(2, at_s=2)])
            store.close()
            status = 0
        finally:
            os._exit(status)
    assert os.waitpid(child, 0)[1] == 0
    store.append([event(3, at_s=3)])
    assert items(store) == ["item-1", "item-2", "item-3"]
    store.close()
