"""The catalogue in the SQLite file of the online store.

    catalogue          (kind, id) → version, body (null: deleted), state; `change` is its place in the change log,
                       null for what came quietly from the lake
    catalogue_version  kind → the newest change

A write is durable as an append is.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from cluster.online.catalogue_store import Change, Document, Edit, Outcome
from cluster.online.profile_state import refuses
from cluster.sqlite.file import Database, SqliteFile
from models.catalogue_entries import Kind

CATALOGUE_SCHEMA = """
CREATE TABLE IF NOT EXISTS catalogue (
    kind TEXT NOT NULL, id TEXT NOT NULL, version INTEGER NOT NULL, change INTEGER, restricted INTEGER NOT NULL,
    state BLOB NOT NULL, body BLOB, UNIQUE (kind, id));
CREATE INDEX IF NOT EXISTS catalogue_changes ON catalogue (kind, change) WHERE change IS NOT NULL;
CREATE INDEX IF NOT EXISTS catalogue_restricted ON catalogue (kind, change) WHERE restricted;
CREATE TABLE IF NOT EXISTS catalogue_version (kind TEXT PRIMARY KEY, version INTEGER NOT NULL);
"""
_KEEP = """
INSERT INTO catalogue (kind, id, version, change, restricted, state, body) VALUES (?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT (kind, id) DO UPDATE SET version = excluded.version, change = coalesce(excluded.change, change),
    restricted = excluded.restricted, state = excluded.state, body = excluded.body
"""
_CHANGES = "SELECT id, change, state FROM catalogue WHERE kind = ? AND change > ? {} ORDER BY change LIMIT ?"
_HORIZON = """
SELECT change FROM catalogue WHERE kind = ? AND change IS NOT NULL ORDER BY change DESC LIMIT 1 OFFSET ?
"""
_OF_USER = "user_key = (SELECT user_key FROM users WHERE user_id = ?)"
_FORGET_VECTOR = "DELETE FROM vectors WHERE of_users = 1 AND id = ?"
_FORGET_PROFILE = (
    f"DELETE FROM attributes WHERE {_OF_USER}",
    "UPDATE users SET country = NULL WHERE user_id = ?",
    _FORGET_VECTOR,
)
_REFUSE = (
    "INSERT OR IGNORE INTO refused VALUES (?)",
    f"DELETE FROM history WHERE {_OF_USER}",
    f"DELETE FROM attributes WHERE {_OF_USER}",
    _FORGET_VECTOR,
)


class SqliteCatalogue:
    """`CatalogueStore` on the connections of an online store's file."""

    def __init__(self, file: SqliteFile) -> None:
        self._file = file

    def get(self, kind: Kind, ids: Sequence[str]) -> list[Document | None]:
        """The documents in order; None where nothing was ever written."""
        query = "SELECT version, body FROM catalogue WHERE kind = ? AND id = ?"
        with self._file.read() as db:
            rows = [db.execute(query, (kind.value, id_)).fetchone() for id_ in ids]
        return [None if row is None else Document(id_, *row) for id_, row in zip(ids, rows, strict=True)]

    def write(self, kind: Kind, edits: Sequence[Edit]) -> list[Outcome | None]:
        """Write in order, all in one transaction; None where `expected` was not met."""
        if not edits:
            return []
        with self._file.write() as db:
            return [_write(db, kind, edit) for edit in edits]

    def changes(self, kind: Kind, after: int, limit: int, *, restricted: bool = False) -> list[Change]:
        """Changes with a version above `after`, in order; `restricted`: only those that are restricted now."""
        query = _CHANGES.format("AND restricted" if restricted else "")
        with self._file.read() as db:
            return [Change(*row) for row in db.execute(query, (kind.value, after, limit))]

    def horizon(self, kind: Kind, num: int) -> int:
        """The version behind which the newest `num` changes lie."""
        with self._file.read() as db:
            row = db.execute(_HORIZON, (kind.value, num)).fetchone()
        return row[0] if row else 0

    def version(self, kind: Kind) -> int:
        """Version of the newest change; 0 before the first."""
        with self._file.read() as db:
            return newest_version(db, kind)


def newest_version(db: Database, kind: Kind) -> int:
    """Version of the newest change; 0 before the first."""
    row = db.execute("SELECT version FROM catalogue_version WHERE kind = ?", (kind.value,)).fetchone()
    return row[0] if row else 0


def profile_states(db: Database, user_ids: Sequence[str]) -> dict[str, bytes]:
    """States of the users that have a profile; at most as many ids as a query takes parameters."""
    marks = ",".join("?" * len(user_ids))
    query = f"SELECT id, state FROM catalogue WHERE kind = 'user' AND id IN ({marks})"
    return dict(db.execute(query, user_ids))


def _write(db: Database, kind: Kind, edit: Edit) -> Outcome | None:
    query = "SELECT version, body FROM catalogue WHERE kind = ? AND id = ?"
    found = db.execute(query, (kind.value, edit.id)).fetchone()
    version, body = found or (0, None)
    if edit.expected is not None and edit.expected != version:
        return None
    if found is not None and body == edit.body:
        return Outcome(version, body is not None, changed=False)
    last = newest_version(db, kind)
    version = max(time.time_ns() // 1_000, last + 1, version + 1)
    change = None if edit.quiet else version
    db.execute(_KEEP, (kind.value, edit.id, version, change, edit.restricted, edit.state, edit.body))
    if change is not None:
        db.execute("INSERT OR REPLACE INTO catalogue_version VALUES (?, ?)", (kind.value, version))
    if kind is Kind.USER:
        _follow(db, edit)
    return Outcome(version, body is not None, changed=True)


def _follow(db: Database, edit: Edit) -> None:
    """What else the store keeps of a user, as the profile has it: nothing of a deleted one but events, and of who
    refuses personalization the country alone.
    """
    refused = refuses(edit.state)
    statements = _REFUSE if refused else ("DELETE FROM refused WHERE user_id = ?",)
    for statement in (*statements, *(_FORGET_PROFILE if edit.body is None else ())):
        db.execute(statement, (edit.id,))
