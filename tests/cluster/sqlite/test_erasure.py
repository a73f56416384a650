"""SQLite keeps the contract of privacy, and no byte of its file holds an erased user."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from cluster.online.store import OnlineUser
from cluster.sqlite.store import SqliteStore
from tests.cluster.online.privacy_suite import PrivacySuite, move_on
from tests.cluster.online.store_suite import event

GONE = "gone-user-7f3a"


class TestSqlitePrivacy(PrivacySuite):
    store_type = SqliteStore

    @pytest.fixture
    def address(self, tmp_path: Path) -> str:
        return str(tmp_path / "online.db")


def hits(folder: Path, text: str) -> list[str]:
    return [path.name for path in folder.iterdir() if text.encode() in path.read_bytes()]


def test_no_byte_of_the_file_or_its_log_holds_an_erased_user(tmp_path: Path) -> None:
    store = SqliteStore(str(tmp_path / "online.db"))
    for part in range(20):  # pages split and rows move: copies of them stay behind
        users = [f"user-{(part * 37 + n) % 300:04}" for n in range(60)]
        store.append([event(f"{part}-{n}", user=user, at_s=n) for n, user in enumerate([*users, GONE])])
        store.warm({f"{GONE}-{n}": OnlineUser(country="NO") for n in range(part * 10, part * 10 + 10)})
        move_on(store, 10)
    assert hits(tmp_path, GONE)
    gone = [GONE, *(f"{GONE}-{n}" for n in range(200))]
    others = store.users([f"user-{n:04}" for n in range(300)])
    hidden = store.privacy.hide(gone, "job", b"sealed")
    store.privacy.purge(hidden.through)
    assert hits(tmp_path, GONE) == []
    assert store.users([f"user-{n:04}" for n in range(300)]) == others
    store.close()


def test_a_file_that_was_never_overwritten_is_rewritten(tmp_path: Path) -> None:
    """Free pages of a file that an older Shoal wrote hold what it deleted."""
    path = str(tmp_path / "online.db")
    store = SqliteStore(path)
    store.append([event(1, user=GONE)])
    store.close()
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA secure_delete = OFF")
        db.execute("DELETE FROM entries")
        db.execute("DELETE FROM users")
    db.close()
    assert hits(tmp_path, GONE)
    store.privacy.purge({GONE: 0})
    assert hits(tmp_path, GONE) == []
    store.close()
