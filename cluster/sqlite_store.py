"""The online store on one machine: one SQLite file in WAL mode, shared by every process that opens it.

    log      offset (microsecond of the append, made strictly increasing) → kind, body
    seen     the ids taken within SEEN_WINDOW_S, by the offset they were taken at
    users    user_id → a short key and the country
    identity one random name, made with the file
    history  (user key, time, item, event type): the newest HISTORY_LIMIT of each sign, or a few more
    attributes (user key, name) → value
    the tables of `cluster/sqlite_erasure.py`

An append is one IMMEDIATE transaction with `synchronous=FULL`: when it returns, the events
survive a power cut. FULL costs one fsync a commit, some 0.2 ms against 0.02 ms without, so append in batches.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import TypeVar

from cluster.online_store import HISTORY_LIMIT, SEEN_WINDOW_S, Logged, OnlineUser
from cluster.privacy_store import anonymous
from cluster.sqlite_erasure import PRIVACY_SCHEMA, SqlitePrivacy, refused_among
from cluster.sqlite_file import Database, SqliteFile
from cluster.store_codec import (
    EVENT_CODES,
    EVENT_OF_CODE,
    FIRST_NEGATIVE_CODE,
    decode,
    encode,
    seen_key,
)
from models.events import Interaction
from models.exposures import Exposure
from models.privacy import ANONYMOUS_ID
from models.user_state import HistoryEvent

_SCHEMA = """
CREATE TABLE IF NOT EXISTS log (
    offset INTEGER PRIMARY KEY AUTOINCREMENT, kind INTEGER NOT NULL, body BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS seen (offset INTEGER PRIMARY KEY, event_key BLOB NOT NULL UNIQUE);
CREATE TABLE IF NOT EXISTS users (
    user_key INTEGER PRIMARY KEY, user_id TEXT NOT NULL UNIQUE, country TEXT);
CREATE TABLE IF NOT EXISTS history (
    user_key INTEGER NOT NULL, timestamp_us INTEGER NOT NULL,
    item_id TEXT NOT NULL, event_code INTEGER NOT NULL,
    PRIMARY KEY (user_key, timestamp_us, item_id, event_code)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS attributes (
    user_key INTEGER NOT NULL, name TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (user_key, name)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS identity (store_id TEXT NOT NULL);
INSERT INTO identity SELECT lower(hex(randomblob(8))) WHERE NOT EXISTS (SELECT 1 FROM identity);
"""
_PROFILE = """
INSERT INTO users (user_id, country) VALUES (?, ?) ON CONFLICT (user_id)
    DO UPDATE SET country = excluded.country WHERE country IS NULL AND excluded.country IS NOT NULL
"""
_REMEMBER = """
INSERT OR IGNORE INTO history SELECT user_key, ?2, ?3, ?4 FROM users WHERE user_id = ?1
"""
_DESCRIBE = """
INSERT OR IGNORE INTO attributes SELECT user_key, ?2, ?3 FROM users WHERE user_id = ?1
"""
# The subquery is NULL, and nothing is deleted, while the user has fewer events than the limit.
_BOUND = f"""
DELETE FROM history WHERE user_key = (SELECT user_key FROM users WHERE user_id = ?1)
    AND (event_code >= {FIRST_NEGATIVE_CODE}) = ?2
    AND (timestamp_us, item_id, event_code) < (
        SELECT timestamp_us, item_id, event_code FROM history
        WHERE user_key = (SELECT user_key FROM users WHERE user_id = ?1)
            AND (event_code >= {FIRST_NEGATIVE_CODE}) = ?2
        ORDER BY timestamp_us DESC, item_id DESC, event_code DESC LIMIT 1 OFFSET {HISTORY_LIMIT - 1})
"""
_FETCH = """
SELECT user_id, country, item_id, event_code, timestamp_us FROM users LEFT JOIN history USING (user_key)
WHERE user_id IN ({}) ORDER BY user_id, timestamp_us
"""
_FETCH_ATTRIBUTES = """
SELECT user_id, name, value FROM users JOIN attributes USING (user_key) WHERE user_id IN ({}) ORDER BY user_id, name
"""
# Twice as many as are added, so that the table shrinks to the window without a pause.
_FORGET = "DELETE FROM seen WHERE offset IN (SELECT offset FROM seen WHERE offset < ? ORDER BY offset LIMIT ?)"
_MAX_PARAMETERS = 30_000
_BOUND_EVERY = 16
"""One append in so many cuts its user's history: cutting reads the whole of it, and would double the cost."""
_HistoryRow = tuple[str, int, str, int]
_T = TypeVar("_T")


class SqliteStore:
    """`OnlineStore` in one file. `seen_window_s`: the de-duplication window."""

    def __init__(self, path: str, seen_window_s: float = SEEN_WINDOW_S) -> None:
        self._args = (path, seen_window_s)
        self._file = SqliteFile(path, _SCHEMA + PRIVACY_SCHEMA)
        self.privacy = SqlitePrivacy(self._file)
        self._window_us = round(seen_window_s * 1_000_000)

    def __reduce__(self) -> tuple[type[SqliteStore], tuple[str, float]]:
        return SqliteStore, self._args

    def append(self, events: Sequence[Interaction]) -> list[bool]:
        """Log, de-duplicate and update histories in one transaction; False marks a duplicate id."""
        if not events:
            return []
        keys = [seen_key(event.interaction_id) for event in events]
        with self._write() as db:
            events = anonymous(events, refused_among(db, [event.user_id for event in events]))
            entries = [encode(event) for event in events]
            offset = _next_offset(db)
            oldest = offset - self._window_us
            db.execute(_FORGET, (oldest, 2 * len(events)))
            known = _known_keys(db, keys, oldest)
            taken = []
            for key in keys:
                taken.append(key not in known)
                known.add(key)
            new = [i for i, is_new in enumerate(taken) if is_new]
            db.executemany("INSERT INTO log VALUES (?, ?, ?)", ((offset + i, *entries[i]) for i in new))
            db.executemany("INSERT OR REPLACE INTO seen VALUES (?, ?)", ((offset + i, keys[i]) for i in new))
            named = [i for i in new if events[i].user_id != ANONYMOUS_ID]
            rows = [_row(events[i].user_id, events[i]) for i in named]
            _remember(db, {(events[i].user_id, events[i].country): None for i in named}, rows)
            _bound(db, [row for i, row in zip(named, rows, strict=True) if (offset + i) % _BOUND_EVERY == 0])
        return taken

    def append_exposures(self, exposures: Sequence[Exposure]) -> None:
        """Log what was shown."""
        with self._write() as db:
            entries = [encode(e) for e in anonymous(exposures, refused_among(db, [e.user_id for e in exposures]))]
            offset = _next_offset(db)
            db.executemany(
                "INSERT INTO log VALUES (?, ?, ?)", ((offset + i, *entry) for i, entry in enumerate(entries))
            )

    def users(self, user_ids: Sequence[str]) -> list[OnlineUser]:
        """State of each user in order; four queries for the whole batch."""
        histories: dict[str, list[HistoryEvent]] = {}
        countries: dict[str, str | None] = {}
        attributes: dict[str, dict[str, str]] = {}
        refused: set[str] = set()
        erased: set[str] = set()
        with self._file.read() as db:
            for part in _parts(list(dict.fromkeys(user_ids))):
                for user_id, country, item_id, code, time_us in db.execute(_FETCH.format(_marks(part)), part):
                    if user_id not in histories:
                        histories[user_id], countries[user_id] = [], country
                    if code is not None:
                        histories[user_id].append(HistoryEvent(item_id, EVENT_OF_CODE[code], time_us))
                for user_id, name, value in db.execute(_FETCH_ATTRIBUTES.format(_marks(part)), part):
                    attributes.setdefault(user_id, {})[name] = value
                refused |= refused_among(db, part)
                erased |= self.privacy.erased_among(db, part)
        return [
            OnlineUser(
                _newest(histories.get(u, [])),
                countries.get(u),
                attributes.get(u, {}),
                personalization=False if u in refused else None,
                erased=u in erased,
            )
            for u in user_ids
        ]

    def warm(self, users: Mapping[str, OnlineUser]) -> None:
        """Merge histories and profiles from the lake under what is already there."""
        with self._write() as db:
            erased = {user_id for part in _parts(list(users)) for user_id in self.privacy.erased_among(db, part)}
            users = {user_id: user for user_id, user in users.items() if user_id not in erased}
            refused = {user_id for part in _parts(list(users)) for user_id in refused_among(db, part)}
            wanted = {user_id: user for user_id, user in users.items() if user_id not in refused}
            rows = [_row(user_id, event) for user_id, user in wanted.items() for event in user.history]
            described = [(user_id, *pair) for user_id, user in wanted.items() for pair in user.attributes.items()]
            _remember(db, ((user_id, user.country) for user_id, user in users.items()), rows)
            db.executemany(_DESCRIBE, described)
            _bound(db, rows)

    def read_log(self, after: int, limit: int) -> list[Logged]:
        """Log entries with an offset above `after`, in order."""
        with self._file.read() as db:
            rows = db.execute(
                "SELECT offset, kind, body FROM log WHERE offset > ? ORDER BY offset LIMIT ?", (after, limit)
            ).fetchall()
        return [Logged(offset, decode(kind, body)) for offset, kind, body in rows]

    def trim_log(self, through: int) -> None:
        """Drop log entries up to and including `through`."""
        with self._write() as db:
            db.execute("DELETE FROM log WHERE offset <= ?", (through,))

    def identity(self) -> str:
        """The name made with the file."""
        with self._file.read() as db:
            (store_id,) = db.execute("SELECT store_id FROM identity").fetchone()
        return str(store_id)

    def ping(self) -> None:
        """Raise `StoreError` when the file cannot be read."""
        with self._file.read() as db:
            db.execute("SELECT 1 FROM users LIMIT 1").fetchone()

    def close(self) -> None:
        """Release connections; the next call opens them again."""
        self._file.close()

    def _write(self) -> AbstractContextManager[Database]:
        return self._file.write()


def _next_offset(db: Database) -> int:
    """First free offset: the clock, or one above the last when the clock has not moved on.

    `sqlite_sequence` remembers the last offset even when the whole log was trimmed.
    """
    row = db.execute("SELECT seq FROM sqlite_sequence WHERE name = 'log'").fetchone()
    return max(time.time_ns() // 1_000, row[0] + 1 if row else 1)


def _known_keys(db: Database, keys: Sequence[bytes], oldest: int) -> set[bytes]:
    found: set[bytes] = set()
    for part in _parts(keys):
        query = f"SELECT event_key FROM seen WHERE event_key IN ({_marks(part)}) AND offset >= ?"
        found.update(key for (key,) in db.execute(query, (*part, oldest)))
    return found


def _row(user_id: str, event: Interaction | HistoryEvent) -> _HistoryRow:
    return user_id, event.timestamp_us, event.item_id, EVENT_CODES[event.event_type]


def _remember(db: Database, profiles: Iterable[tuple[str, str | None]], rows: Sequence[_HistoryRow]) -> None:
    """Create users, fill unknown countries, place events by their own time."""
    db.executemany(_PROFILE, profiles)
    db.executemany(_REMEMBER, rows)


def _bound(db: Database, rows: Iterable[_HistoryRow]) -> None:
    """Cut the histories that the rows went into."""
    db.executemany(_BOUND, {(user_id, code >= FIRST_NEGATIVE_CODE) for user_id, _, _, code in rows})


def _newest(history: list[HistoryEvent]) -> tuple[HistoryEvent, ...]:
    """Without the few events above the limit that wait to be cut."""
    if len(history) <= HISTORY_LIMIT:
        return tuple(history)
    room = {True: HISTORY_LIMIT, False: HISTORY_LIMIT}
    kept: list[HistoryEvent] = []
    for event in reversed(history):
        negative = EVENT_CODES[event.event_type] >= FIRST_NEGATIVE_CODE
        if room[negative] > 0:
            room[negative] -= 1
            kept.append(event)
    return tuple(reversed(kept))


def _parts(values: Sequence[_T]) -> Iterable[Sequence[_T]]:
    return (values[start : start + _MAX_PARAMETERS] for start in range(0, len(values), _MAX_PARAMETERS))


def _marks(values: Sequence[object]) -> str:
    return ",".join("?" * len(values))
