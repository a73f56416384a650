"""The online store on one machine: one SQLite file in WAL mode, shared by every process that opens it.

    log      offset INTEGER PRIMARY KEY AUTOINCREMENT, kind, body (JSON)
    seen     interaction_id → the event was taken; the de-duplication window is the life of the file
    history  (user_id, timestamp_us, log offset) → item_id, event_type; the newest HISTORY_LIMIT a user
    users    user_id → country

An append is one IMMEDIATE transaction with `synchronous=FULL`: when it returns, the events survive a power cut.
"""

from __future__ import annotations

import sqlite3
import threading
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from cluster.log_codec import EXPOSURE, INTERACTION, decode, encode
from cluster.online_store import HISTORY_LIMIT, Logged, OnlineUser
from models.events import EventType, Interaction
from models.exposures import Exposure
from models.user_state import HistoryEvent

_BUSY_TIMEOUT_MS = 10_000
_SCHEMA = """
CREATE TABLE IF NOT EXISTS log (
    offset INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, body BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS seen (interaction_id TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS history (
    user_id TEXT NOT NULL, timestamp_us INTEGER NOT NULL, item_id TEXT NOT NULL, event_type TEXT NOT NULL,
    PRIMARY KEY (user_id, timestamp_us, item_id, event_type)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS users (user_id TEXT PRIMARY KEY, country TEXT) WITHOUT ROWID;
"""
_TRIM_HISTORY = """
DELETE FROM history WHERE user_id = ? AND (timestamp_us, item_id, event_type) NOT IN (
    SELECT timestamp_us, item_id, event_type FROM history WHERE user_id = ?
    ORDER BY timestamp_us DESC LIMIT ?)
"""
_KNOWN_COUNTRY = (
    "INSERT INTO users VALUES (?, ?) ON CONFLICT (user_id) DO UPDATE SET country = coalesce(country, excluded.country)"
)


class SqliteStore:
    """`OnlineStore` in one file. Every thread has a connection of its own; writers queue on the file's lock."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._local = threading.local()
        self._open: list[sqlite3.Connection] = []
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        self._connection.executescript(_SCHEMA)

    def append(self, events: Sequence[Interaction]) -> list[bool]:
        """Log, de-duplicate and update histories in one transaction; False marks a duplicate id."""
        with _transaction(self._connection) as db:
            taken = [_take(db, event.interaction_id) for event in events]
            new = [event for event, is_new in zip(events, taken, strict=True) if is_new]
            _log(db, INTERACTION, new)
            _remember(db, ((e.user_id, e.timestamp_us, e.item_id, e.event_type.value) for e in new))
            db.executemany(_KNOWN_COUNTRY, [(e.user_id, e.country) for e in new if e.country])
            _trim(db, {event.user_id for event in new})
        return taken

    def append_exposures(self, exposures: Sequence[Exposure]) -> None:
        """Log what was shown."""
        with _transaction(self._connection) as db:
            _log(db, EXPOSURE, exposures)

    def users(self, user_ids: Sequence[str]) -> list[OnlineUser]:
        """State of each user in order; two indexed queries for the whole batch."""
        marks = ",".join("?" * len(user_ids))
        histories: defaultdict[str, list[HistoryEvent]] = defaultdict(list)
        rows = self._connection.execute(
            f"SELECT user_id, item_id, event_type, timestamp_us FROM history WHERE user_id IN ({marks})"
            " ORDER BY user_id, timestamp_us",
            list(user_ids),
        )
        for user_id, item_id, event_type, timestamp_us in rows:
            histories[user_id].append(HistoryEvent(item_id, EventType(event_type), timestamp_us))
        countries = dict(
            self._connection.execute(f"SELECT user_id, country FROM users WHERE user_id IN ({marks})", list(user_ids))
        )
        return [OnlineUser(tuple(histories.get(u, ())), countries.get(u)) for u in user_ids]

    def warm(self, users: Mapping[str, OnlineUser]) -> None:
        """Merge histories and profiles from the lake under what is already there."""
        with _transaction(self._connection) as db:
            _remember(
                db,
                (
                    (user_id, e.timestamp_us, e.item_id, e.event_type.value)
                    for user_id, user in users.items()
                    for e in user.history
                ),
            )
            db.executemany(_KNOWN_COUNTRY, [(user_id, user.country) for user_id, user in users.items()])
            _trim(db, users)

    def read_log(self, after: int, limit: int) -> list[Logged]:
        """Log entries with an offset above `after`, in order."""
        rows = self._connection.execute(
            "SELECT offset, kind, body FROM log WHERE offset > ? ORDER BY offset LIMIT ?", (after, limit)
        )
        return [Logged(offset, decode(kind, body)) for offset, kind, body in rows]

    def trim_log(self, through: int) -> None:
        """Drop log entries up to and including `through`."""
        with _transaction(self._connection) as db:
            db.execute("DELETE FROM log WHERE offset <= ?", (through,))

    def ping(self) -> None:
        """Raise `sqlite3.Error` when the file cannot be read."""
        self._connection.execute("SELECT 1 FROM users LIMIT 1").fetchone()

    def close(self) -> None:
        """Close every connection, whichever thread opened it."""
        for connection in self._open:
            connection.close()
        self._open.clear()
        self._local = threading.local()

    @property
    def _connection(self) -> sqlite3.Connection:
        found: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if found is None:
            found = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False)
            found.execute(f"PRAGMA busy_timeout = {_BUSY_TIMEOUT_MS}")
            found.execute("PRAGMA journal_mode = WAL")
            found.execute("PRAGMA synchronous = FULL")
            self._local.connection = found
            self._open.append(found)
        return found


class _transaction:
    """BEGIN IMMEDIATE … COMMIT; rolls back when the block raises."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def __enter__(self) -> sqlite3.Connection:
        self._connection.execute("BEGIN IMMEDIATE")
        return self._connection

    def __exit__(self, kind: object, *_: object) -> None:
        self._connection.execute("COMMIT" if kind is None else "ROLLBACK")


def _take(db: sqlite3.Connection, interaction_id: str) -> bool:
    return db.execute("INSERT OR IGNORE INTO seen VALUES (?)", (interaction_id,)).rowcount == 1


def _log(db: sqlite3.Connection, kind: str, entries: Iterable[Interaction | Exposure]) -> None:
    db.executemany("INSERT INTO log (kind, body) VALUES (?, ?)", [(kind, encode(entry)) for entry in entries])


def _remember(db: sqlite3.Connection, rows: Iterable[tuple[str, int, str, str]]) -> None:
    db.executemany("INSERT OR IGNORE INTO history VALUES (?, ?, ?, ?)", rows)


def _trim(db: sqlite3.Connection, user_ids: Iterable[str]) -> None:
    for user_id in user_ids:
        (count,) = db.execute("SELECT count(*) FROM history WHERE user_id = ?", (user_id,)).fetchone()
        if count > HISTORY_LIMIT:
            db.execute(_TRIM_HISTORY, (user_id, user_id, HISTORY_LIMIT))
