"""Vectors of users and items in the SQLite file of the online store (`cluster/online/vectors.py`).

vectors  (0 for items, 1 for users; id) → the record, and until when it counts (UTC microseconds)
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence

from cluster.online.vectors import VECTOR_LIFE_S, StoredVector, VectorBatch, stored
from cluster.sqlite.erasure import SqlitePrivacy, refused_among
from cluster.sqlite.file import Database, SqliteFile
from models.privacy import ANONYMOUS_ID

VECTORS_SCHEMA = """
CREATE TABLE IF NOT EXISTS vectors (
    of_users INTEGER NOT NULL, id TEXT NOT NULL, until_us INTEGER NOT NULL, record BLOB NOT NULL,
    UNIQUE (of_users, id));
CREATE INDEX IF NOT EXISTS vectors_age ON vectors (until_us);
"""
_KEEP = """
INSERT INTO vectors VALUES (?, ?, ?, ?)
    ON CONFLICT (of_users, id) DO UPDATE SET until_us = excluded.until_us, record = excluded.record
"""
# Twice as many as are written, so that the table shrinks without a pause.
_FORGET = "DELETE FROM vectors WHERE rowid IN (SELECT rowid FROM vectors WHERE until_us <= ? LIMIT ?)"
_AT_ONCE = 1_000
"""Vectors of one transaction: others write in between."""


class SqliteVectors:
    """`VectorStore` in one file."""

    def __init__(self, file: SqliteFile, privacy: SqlitePrivacy) -> None:
        self._file, self._privacy = file, privacy

    def keep_users(self, batch: VectorBatch) -> int:
        """A transaction for each part, which looks for who refuses and who was erased."""
        num_kept = 0
        for part in _parts(batch.records()):
            with self._file.write() as db:
                user_ids = [user_id for user_id, _ in part]
                left = refused_among(db, user_ids) | self._privacy.erased_among(db, user_ids) | {ANONYMOUS_ID}
                num_kept += _keep(db, 1, [(user_id, record) for user_id, record in part if user_id not in left])
        return num_kept

    def keep_items(self, batch: VectorBatch) -> int:
        """A transaction for each part."""
        num_kept = 0
        for part in _parts(batch.records()):
            with self._file.write() as db:
                num_kept += _keep(db, 0, part)
        return num_kept

    def of_users(self, user_ids: Sequence[str]) -> list[StoredVector | None]:
        """In order; None where there is none."""
        return self._of(1, user_ids)

    def of_items(self, item_ids: Sequence[str]) -> list[StoredVector | None]:
        """In order; None where there is none."""
        return self._of(0, item_ids)

    def _of(self, of_users: int, ids: Sequence[str]) -> list[StoredVector | None]:
        query, now = "SELECT record FROM vectors WHERE of_users = ? AND id = ? AND until_us > ?", _now_us()
        with self._file.read() as db:
            rows = [db.execute(query, (of_users, id_, now)).fetchone() for id_ in ids]
        return [stored(row[0]) if row else None for row in rows]


def _keep(db: Database, of_users: int, records: Sequence[tuple[str, bytes]]) -> int:
    now = _now_us()
    db.execute(_FORGET, (now, 2 * len(records)))
    until = now + VECTOR_LIFE_S * 1_000_000
    db.executemany(_KEEP, ((of_users, id_, until, record) for id_, record in records))
    return len(records)


def _parts(records: Iterable[tuple[str, bytes]]) -> Iterator[list[tuple[str, bytes]]]:
    part: list[tuple[str, bytes]] = []
    for record in records:
        part.append(record)
        if len(part) == _AT_ONCE:
            yield part
            part = []
    if part:
        yield part


def _now_us() -> int:
    return time.time_ns() // 1_000
