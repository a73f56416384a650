"""`PrivacyStore` in the SQLite file of the online store.

    refused     ids of people whose profile refuses personalization; `cluster/sqlite/catalogue.py` writes it
    tombstones  subject → the offset of the erasure
    sealed      subject → a sealed record
    erasures    id → an erasure that is not finished (sealed: it names its users)
    privacy     one row: which privacy key the tombstones are of

Every connection overwrites what it deletes (`secure_delete`). A page that was rebuilt may keep a copy of a row that has
moved since, so `purge` looks for the ids in the bytes of the file, and rewrites it (VACUUM) where it finds one.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path

import orjson

from cluster.online.erased_entries import is_erased_body
from cluster.online.privacy_store import PURGE_TIMEOUT_S, TOMBSTONE_LIFE_S, Hidden, Tombstones, other_key
from cluster.privacy.keys import PrivacyKeys, load_keys
from cluster.sqlite.file import Database, SqliteFile
from cluster.sqlite.log import next_offset
from models.errors import StoreError

PRIVACY_SCHEMA = """
CREATE TABLE IF NOT EXISTS refused (user_id TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS tombstones (subject BLOB PRIMARY KEY, offset INTEGER NOT NULL) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS tombstone_offsets ON tombstones (offset);
CREATE TABLE IF NOT EXISTS sealed (subject BLOB PRIMARY KEY, record BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS erasures (id TEXT PRIMARY KEY, body BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS privacy (one INTEGER PRIMARY KEY CHECK (one = 1), fingerprint BLOB NOT NULL);
"""
_OF_USER = "user_key = (SELECT user_key FROM users WHERE user_id = ?)"
_HIDE = {
    "history": f"DELETE FROM history WHERE {_OF_USER}",
    "attributes": f"DELETE FROM attributes WHERE {_OF_USER}",
    "country": "DELETE FROM users WHERE user_id = ?",
    "profile": "DELETE FROM catalogue WHERE kind = 'user' AND id = ?",
    "consent": "DELETE FROM refused WHERE user_id = ?",
    "counters": "DELETE FROM counts WHERE of_users = 1 AND id = ?",
    "vector": "DELETE FROM vectors WHERE of_users = 1 AND id = ?",
}
"""In this order: the first two need the user's key."""
_READ_LOG = """
SELECT partition, offset, kind, body FROM entries WHERE (partition, offset) > (?, ?) AND offset <= ?
ORDER BY partition, offset LIMIT ?
"""
_LOG_ROWS = 10_000
_SCAN_BYTES = 1 << 22
_MAX_PARAMETERS = 30_000


class SqlitePrivacy:
    """On the connections of an online store's file."""

    def __init__(self, file: SqliteFile, keys: Callable[[], PrivacyKeys] = load_keys) -> None:
        self._file, self._load_keys = file, keys

    @cached_property
    def _keys(self) -> PrivacyKeys:
        return self._load_keys()

    def hide(self, user_ids: Sequence[str], job_id: str, job: bytes) -> Hidden:
        """One transaction."""
        subjects = [self._keys.subject(user_id) for user_id in user_ids]
        with self._file.write() as db:
            self._bind(db)
            offset = next_offset(db, 1)
            entries = {
                name: sum(db.execute(statement, (user_id,)).rowcount for user_id in user_ids)
                for name, statement in _HIDE.items()
            }
            gone = (db.execute("DELETE FROM sealed WHERE subject = ?", (subject,)).rowcount for subject in subjects)
            entries["email"] = sum(gone)
            db.execute("DELETE FROM tombstones WHERE offset < ?", (offset - TOMBSTONE_LIFE_S * 1_000_000,))
            db.executemany("INSERT OR REPLACE INTO tombstones VALUES (?, ?)", ((s, offset) for s in subjects))
            db.execute("INSERT OR REPLACE INTO erasures VALUES (?, ?)", (job_id, job))
        return Hidden(dict.fromkeys(user_ids, offset), entries)

    def tombstones(self, partition: int, since: int) -> Tombstones:
        """By the index of offsets; those of all partitions, for offsets of one file have one order."""
        with self._file.read() as db:
            newest = newest_tombstone(db)  # first: one that comes between is then newer than we say
            return Tombstones(
                dict(db.execute("SELECT subject, offset FROM tombstones WHERE offset >= ?", (since,))), newest
            )

    def purge(self, through: Mapping[str, int]) -> int:
        """Log entries, then the write-ahead log, then free space where it needs to be."""
        num_removed = sum(self._purge_log(through))
        deadline = time.monotonic() + PURGE_TIMEOUT_S
        self._empty_wal(deadline)
        if self._found_in_file(through):
            with self._file.alone() as db:
                db.execute("VACUUM")
            self._empty_wal(deadline)
        return num_removed

    def jobs(self) -> dict[str, bytes]:
        """Ids of erasures sort by time."""
        with self._file.read() as db:
            return dict(db.execute("SELECT id, body FROM erasures ORDER BY id"))

    def note_job(self, job_id: str, job: bytes) -> None:
        """Keep how far an erasure is."""
        with self._file.write() as db:
            db.execute("INSERT OR REPLACE INTO erasures VALUES (?, ?)", (job_id, job))

    def end_job(self, job_id: str) -> None:
        """The erasure is finished."""
        with self._file.write() as db:
            db.execute("DELETE FROM erasures WHERE id = ?", (job_id,))

    def sealed(self, subjects: Sequence[bytes]) -> list[bytes | None]:
        """Sealed records in order."""
        with self._file.read() as db:
            rows = [db.execute("SELECT record FROM sealed WHERE subject = ?", (s,)).fetchone() for s in subjects]
        return [row[0] if row else None for row in rows]

    def keep_sealed(self, records: Mapping[bytes, bytes]) -> None:
        """Keep sealed records by subject."""
        with self._file.write() as db:
            self._bind(db)
            db.executemany("INSERT OR REPLACE INTO sealed VALUES (?, ?)", records.items())

    def erased_among(self, db: Database, user_ids: Sequence[str]) -> set[str]:
        """Those who have a tombstone; costs one small query where there is none."""
        if db.execute("SELECT 1 FROM tombstones LIMIT 1").fetchone() is None:
            return set()
        self._check(db)
        of = {self._keys.subject(user_id): user_id for user_id in user_ids}
        query = f"SELECT subject FROM tombstones WHERE subject IN ({_marks(of)})"
        return {of[subject] for (subject,) in db.execute(query, list(of))}

    def _bind(self, db: Database) -> None:
        db.execute("INSERT OR IGNORE INTO privacy VALUES (1, ?)", (self._keys.subject(""),))
        self._check(db)

    def _check(self, db: Database) -> None:
        row = db.execute("SELECT fingerprint FROM privacy").fetchone()
        if row is not None and row[0] != self._keys.subject(""):
            raise other_key()

    def _purge_log(self, through: Mapping[str, int]) -> Iterator[int]:
        """Numbers of removed entries; other writers take turns with the parts."""
        after, last = (0, 0), max(through.values(), default=0)
        while True:
            with self._file.read() as db:
                rows = db.execute(_READ_LOG, (*after, last, _LOG_ROWS)).fetchall()
            if not rows:
                return
            gone = [(part, offset) for part, offset, kind, body in rows if is_erased_body(offset, kind, body, through)]
            if gone:
                with self._file.write() as db:
                    yield db.executemany("DELETE FROM entries WHERE partition = ? AND offset = ?", gone).rowcount
            after = rows[-1][:2]

    def _empty_wal(self, deadline: float) -> None:
        """The write-ahead log into the file and cut to nothing; waits for readers that still need it."""
        while True:
            with self._file.alone() as db:
                busy, _, _ = db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            if not busy:
                return
            if time.monotonic() > deadline:
                raise StoreError(
                    f"the write-ahead log of {self._file.path} still holds what was erased: a reader has kept it for "
                    f"{PURGE_TIMEOUT_S:.0f} s. End what reads the file for so long, and run the erasure again."
                )
            time.sleep(0.05)

    def _found_in_file(self, user_ids: Collection[str]) -> bool:
        needles = {needle for user_id in user_ids for needle in (user_id.encode(), orjson.dumps(user_id)[1:-1])}
        overlap = max(map(len, needles), default=0)
        with Path(self._file.path).open("rb") as file:
            before = b""
            while part := file.read(_SCAN_BYTES):
                seen = before + part
                if any(needle in seen for needle in needles):
                    return True
                before = seen[-overlap:]
        return False


def refused_among(db: Database, user_ids: Collection[str]) -> set[str]:
    """Those who refused personalization; costs one small query where nobody did."""
    if db.execute("SELECT 1 FROM refused LIMIT 1").fetchone() is None:
        return set()
    ids = list(dict.fromkeys(user_ids))
    found: set[str] = set()
    for start in range(0, len(ids), _MAX_PARAMETERS):
        part = ids[start : start + _MAX_PARAMETERS]
        found.update(
            row[0] for row in db.execute(f"SELECT user_id FROM refused WHERE user_id IN ({_marks(part)})", part)
        )
    return found


def newest_tombstone(db: Database) -> int:
    """Its offset; 0 where there is none."""
    return int(db.execute("SELECT coalesce(max(offset), 0) FROM tombstones").fetchone()[0])


def _marks(values: Collection[object]) -> str:
    return ",".join("?" * len(values))
