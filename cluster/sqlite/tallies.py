"""What is trending, and counters, in the SQLite file: one list and one counter for all partitions."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from cluster.online.event_log import Job
from cluster.online.leases import Lease
from cluster.online.trending import (
    COUNTED,
    COUNTERS_LIFE_S,
    LIST_LENGTH,
    LIST_LIFE_HALF_LIVES,
    SURFACE_LIFE_S,
    Tally,
    Trend,
    add_moments,
    list_name,
    weigh,
)
from cluster.sqlite.erasure import newest_tombstone
from cluster.sqlite.file import Database, SqliteFile
from cluster.sqlite.leases import is_held
from cluster.sqlite.log import position
from cluster.sqlite.schema import COUNT_COLUMNS

_DAY_S = 86_400
_FORGET_AT_ONCE = 1_000
"""Expired rows removed by one step, so that none takes long."""
_COUNT = f"""
INSERT INTO counts VALUES (?, ?, ?, {", ".join("?" * len(COUNT_COLUMNS))}) ON CONFLICT DO UPDATE SET
    day = excluded.day, {", ".join(f"{c} = {c} + excluded.{c}" for c in COUNT_COLUMNS)}
"""
_FORGET_COUNTS = """
DELETE FROM counts WHERE (of_users, id) IN (SELECT of_users, id FROM counts WHERE day < ? LIMIT ?)
"""
_FORGET_MOMENTS = """
DELETE FROM trending WHERE (list, item_id) IN (SELECT list, item_id FROM trending WHERE moment_s < ? LIMIT ?)
"""
_BOUND = f"""
DELETE FROM trending WHERE list = ?1 AND moment_s < (
    SELECT moment_s FROM trending WHERE list = ?1 ORDER BY moment_s DESC LIMIT 1 OFFSET {LIST_LENGTH - 1})
"""
_MAX_PARAMETERS = 30_000


class SqliteTallies:
    """`Tallies` in one file."""

    def __init__(self, file: SqliteFile) -> None:
        self._file = file

    def add(self, lease: Lease, after: int, through: int, tally: Tally) -> bool:
        """Count, and move the position, in one transaction that checks the lease."""
        with self._file.write() as db:
            if not is_held(db, lease) or position(db, Job.TRENDING, lease.partition) != after:
                return False
            if newest_tombstone(db) > tally.erased_through:
                return False
            _count(db, tally)
            _move(db, tally)
            rows = [(offset, name, surface) for name, (offset, surface) in tally.surfaces.items()]
            db.executemany("INSERT OR REPLACE INTO surfaces VALUES (?, ?, ?)", rows)
            oldest = through - SURFACE_LIFE_S * 1_000_000
            db.execute("DELETE FROM surfaces WHERE offset < ?", (oldest,))
            db.execute("INSERT OR REPLACE INTO positions VALUES (?, ?, ?)", (Job.TRENDING, lease.partition, through))
        return True

    def surfaces(self, partition: int, recommendation_ids: Sequence[str]) -> dict[str, str]:
        """Surfaces of the recommendations that are known."""
        query = "SELECT recommendation_id, surface FROM surfaces WHERE recommendation_id IN ({})"
        with self._file.read() as db:
            return dict(_select(db, query, recommendation_ids))

    def trending(self, country: str | None, surface: str | None, n: int) -> list[Trend]:
        """The `n` items of the greatest weight, best first."""
        with self._file.read() as db:
            row = db.execute("SELECT value FROM settled WHERE name = 'half_life_s'").fetchone()
            if row is None:
                return []
            rows = db.execute(
                "SELECT item_id, moment_s FROM trending WHERE list = ? ORDER BY moment_s DESC, item_id LIMIT ?",
                (list_name(country, surface), n),
            ).fetchall()
        now = time.time()
        return [Trend(item_id, weigh(moment, now, row[0])) for item_id, moment in rows]

    def item_counts(self, item_ids: Sequence[str]) -> list[dict[str, int]]:
        """Counters of each item in order, by name."""
        return self._counts(0, item_ids)

    def user_counts(self, user_ids: Sequence[str]) -> list[dict[str, int]]:
        """Counters of each user in order, by name."""
        return self._counts(1, user_ids)

    def _counts(self, of_users: int, ids: Sequence[str]) -> list[dict[str, int]]:
        query = f"SELECT id, {', '.join(COUNT_COLUMNS)} FROM counts WHERE of_users = {of_users} AND id IN ({{}})"
        with self._file.read() as db:
            found = {key: numbers for key, *numbers in _select(db, query, ids)}
        return [{name: num for name, num in zip(COUNTED, found.get(key, ()), strict=False) if num} for key in ids]


def _count(db: Database, tally: Tally) -> None:
    today = int(time.time()) // _DAY_S
    for of_users, counts in enumerate((tally.items, tally.users)):
        rows = ((of_users, key, today, *(names.get(name, 0) for name in COUNTED)) for key, names in counts.items())
        db.executemany(_COUNT, rows)
    db.execute(_FORGET_COUNTS, (today - COUNTERS_LIFE_S // _DAY_S, _FORGET_AT_ONCE))


def _move(db: Database, tally: Tally) -> None:
    """Add moments to those that are there, and cut what is too much or too old."""
    for name, moments in tally.lists.items():
        before = _moments(db, name, moments)
        rows = [
            (name, item_id, add_moments(before.get(item_id), moment, tally.half_life_s))
            for item_id, moment in moments.items()
        ]
        db.executemany("INSERT OR REPLACE INTO trending VALUES (?, ?, ?)", rows)
        db.execute(_BOUND, (name,))
    if tally.lists:
        db.execute("INSERT OR REPLACE INTO settled VALUES ('half_life_s', ?)", (tally.half_life_s,))
        db.execute(_FORGET_MOMENTS, (time.time() - LIST_LIFE_HALF_LIVES * tally.half_life_s, _FORGET_AT_ONCE))


def _moments(db: Database, name: str, moments: Mapping[str, float]) -> dict[str, float]:
    query = "SELECT item_id, moment_s FROM trending WHERE list = ? AND item_id IN ({})"
    return dict(_select(db, query, list(moments), name))


def _select(db: Database, query: str, values: Sequence[str], *first: str) -> Iterable[Any]:
    """Rows of a query whose `{}` takes any number of values."""
    for start in range(0, len(values), _MAX_PARAMETERS):
        part = values[start : start + _MAX_PARAMETERS]
        yield from db.execute(query.format(",".join("?" * len(part))), (*first, *part))
