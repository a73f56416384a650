"""The online store on one machine: one SQLite file in WAL mode, shared by every process that opens it.

An append is one IMMEDIATE transaction with `synchronous=FULL`: when it returns, the events
survive a power cut. FULL costs one fsync a commit, some 0.2 ms against 0.02 ms without, so append in batches.
`cluster/sqlite/schema.py` has the tables, `cluster/sqlite/catalogue.py` those of the catalogue,
`cluster/sqlite/erasure.py` those of privacy, `cluster/sqlite/vectors.py` that of vectors.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import TypeVar

from cluster.online.codec import EVENT_CODES, EVENT_OF_CODE, FIRST_NEGATIVE_CODE, encode, seen_key
from cluster.online.event_log import Entry, partition_of
from cluster.online.privacy_store import anonymous
from cluster.online.profile_state import with_profile
from cluster.online.store import HISTORY_LIMIT, SEEN_WINDOW_S, Fetched, OnlineUser
from cluster.online.trending import Trend
from cluster.online.vectors import StoredVector
from cluster.settings import NUM_PARTITIONS
from cluster.sqlite.catalogue import CATALOGUE_SCHEMA, SqliteCatalogue, newest_version, profile_states
from cluster.sqlite.erasure import PRIVACY_SCHEMA, SqlitePrivacy, refused_among
from cluster.sqlite.file import Database, SqliteFile
from cluster.sqlite.leases import SqliteLeases
from cluster.sqlite.log import SqliteLog, next_offset
from cluster.sqlite.schema import MIGRATIONS, SCHEMA
from cluster.sqlite.tallies import SqliteTallies
from cluster.sqlite.vectors import VECTORS_SCHEMA, SqliteVectors
from models.catalogue_entries import Kind
from models.events import Interaction
from models.exposures import Exposure
from models.privacy import ANONYMOUS_ID
from models.quarantine import Rejected
from models.user_state import HistoryEvent

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
_Entry = tuple[int, int, bytes]
_HistoryRow = tuple[str, int, str, int]
_T = TypeVar("_T")


class SqliteStore:
    """`OnlineStore` in one file. `seen_window_s`: the de-duplication window; `num_partitions`: of a file made now."""

    def __init__(self, path: str, seen_window_s: float = SEEN_WINDOW_S, num_partitions: int = NUM_PARTITIONS) -> None:
        self._args = (path, seen_window_s, num_partitions)
        self._file = SqliteFile(path, CATALOGUE_SCHEMA + PRIVACY_SCHEMA + VECTORS_SCHEMA + SCHEMA, MIGRATIONS)
        self.catalogue = SqliteCatalogue(self._file)
        self.privacy = SqlitePrivacy(self._file)
        self._window_us = round(seen_window_s * 1_000_000)
        self.log = SqliteLog(self._file, num_partitions)
        self.leases = SqliteLeases(self._file)
        self.tallies = SqliteTallies(self._file)
        self.vectors = SqliteVectors(self._file, self.privacy)

    def __reduce__(self) -> tuple[type[SqliteStore], tuple[str, float, int]]:
        return SqliteStore, self._args

    def append(self, events: Sequence[Interaction]) -> list[bool]:
        """Log, de-duplicate and update histories in one transaction; False marks a duplicate id."""
        if not events:
            return []
        keys = [seen_key(event.interaction_id) for event in events]
        self.log.num_partitions()  # settled in a transaction of its own
        with self._write() as db:
            events = anonymous(events, refused_among(db, [event.user_id for event in events]))
            entries = self._entries(events)
            offset = next_offset(db, len(events))
            oldest = offset - self._window_us
            db.execute(_FORGET, (oldest, 2 * len(events)))
            known = _known_keys(db, keys, oldest)
            taken = []
            for key in keys:
                taken.append(key not in known)
                known.add(key)
            new = [i for i, is_new in enumerate(taken) if is_new]
            _log(db, ((offset + i, entries[i]) for i in new))
            db.executemany("INSERT OR REPLACE INTO seen VALUES (?, ?)", ((offset + i, keys[i]) for i in new))
            named = [i for i in new if events[i].user_id != ANONYMOUS_ID]
            rows = [_row(events[i].user_id, events[i]) for i in named]
            _remember(db, {(events[i].user_id, events[i].country): None for i in named}, rows)
            _bound(db, [row for i, row in zip(named, rows, strict=True) if (offset + i) % _BOUND_EVERY == 0])
        return taken

    def append_exposures(self, exposures: Sequence[Exposure]) -> None:
        """Log what was shown."""
        self._append_entries(exposures)

    def append_rejected(self, rejected: Sequence[Rejected]) -> None:
        """Log what was not taken."""
        self._append_entries(rejected)

    def users(self, user_ids: Sequence[str]) -> list[OnlineUser]:
        """State of each user in order."""
        return self.fetch(user_ids).users

    def fetch(self, user_ids: Sequence[str]) -> Fetched:
        """State of each user in order and the version of the items; a few queries for the whole batch."""
        histories: dict[str, list[HistoryEvent]] = {}
        countries: dict[str, str | None] = {}
        attributes: dict[str, dict[str, str]] = {}
        profiles: dict[str, bytes] = {}
        erased: set[str] = set()
        with self._file.read() as db:
            version = newest_version(db, Kind.ITEM)
            for part in _parts(list(dict.fromkeys(user_ids))):
                for user_id, country, item_id, code, time_us in db.execute(_FETCH.format(_marks(part)), part):
                    if user_id not in histories:
                        histories[user_id], countries[user_id] = [], country
                    if code is not None:
                        histories[user_id].append(HistoryEvent(item_id, EVENT_OF_CODE[code], time_us))
                for user_id, name, value in db.execute(_FETCH_ATTRIBUTES.format(_marks(part)), part):
                    attributes.setdefault(user_id, {})[name] = value
                profiles |= profile_states(db, part)
                erased |= self.privacy.erased_among(db, part)
        users = (
            with_profile(
                OnlineUser(_newest(histories.get(u, [])), countries.get(u), attributes.get(u, {}), erased=u in erased),
                profiles.get(u),
            )
            for u in user_ids
        )
        return Fetched(list(users), version)

    def warm(self, users: Mapping[str, OnlineUser]) -> None:
        """Merge histories and profiles from the lake under what is already there."""
        with self._write() as db:
            gone = {user_id for part in _parts(list(users)) for user_id in self.privacy.erased_among(db, part)}
            gone |= refused_among(db, list(users))
            users = {user_id: user for user_id, user in users.items() if user_id not in gone}
            rows = [_row(user_id, event) for user_id, user in users.items() for event in user.history]
            known = {user_id for part in _parts(list(users)) for user_id in profile_states(db, part)}
            new = {user_id: user for user_id, user in users.items() if user_id not in known}
            described = [(user_id, *pair) for user_id, user in new.items() for pair in user.attributes.items()]
            countries = ((user_id, None if user_id in known else user.country) for user_id, user in users.items())
            _remember(db, countries, rows)
            db.executemany(_DESCRIBE, described)
            _bound(db, rows)

    def trending(self, country: str | None, surface: str | None, n: int) -> list[Trend]:
        """The `n` items of the greatest weight, best first."""
        return self.tallies.trending(country, surface, n)

    def item_counts(self, item_ids: Sequence[str]) -> list[dict[str, int]]:
        """Counters of each item in order, by name."""
        return self.tallies.item_counts(item_ids)

    def user_counts(self, user_ids: Sequence[str]) -> list[dict[str, int]]:
        """Counters of each user in order, by name."""
        return self.tallies.user_counts(user_ids)

    def user_vectors(self, user_ids: Sequence[str]) -> list[StoredVector | None]:
        """Of each user in order."""
        return self.vectors.of_users(user_ids)

    def item_vectors(self, item_ids: Sequence[str]) -> list[StoredVector | None]:
        """Of each item in order."""
        return self.vectors.of_items(item_ids)

    def identity(self) -> str:
        """The name made with the file."""
        with self._file.read() as db:
            (store_id,) = db.execute("SELECT value FROM settled WHERE name = 'store_id'").fetchone()
        return str(store_id)

    def weaknesses(self) -> list[str]:
        """None: every commit is on the disk before it is acknowledged."""
        return []

    def ping(self) -> None:
        """Raise `StoreError` when the file cannot be read."""
        with self._file.read() as db:
            db.execute("SELECT 1 FROM users LIMIT 1").fetchone()

    def close(self) -> None:
        """Release connections; the next call opens them again."""
        self._file.close()

    def _write(self) -> AbstractContextManager[Database]:
        return self._file.write()

    def _append_entries(self, entries: Sequence[Exposure | Rejected]) -> None:
        if not entries:
            return
        self.log.num_partitions()  # settled in a transaction of its own
        with self._write() as db:
            encoded = self._entries(anonymous(entries, refused_among(db, [entry.user_id for entry in entries])))
            _log(db, enumerate(encoded, next_offset(db, len(encoded))))

    def _entries(self, events: Sequence[Entry]) -> list[_Entry]:
        num_partitions = self.log.num_partitions()
        return [(partition_of(event.user_id, num_partitions), *encode(event)) for event in events]


def _log(db: Database, entries: Iterable[tuple[int, _Entry]]) -> None:
    rows = ((partition, offset, kind, body) for offset, (partition, kind, body) in entries)
    db.executemany("INSERT INTO entries VALUES (?, ?, ?, ?)", rows)


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
