"""Leases of consumers in the SQLite file, by the clock of the one machine that uses it."""

from __future__ import annotations

import time
from collections.abc import Sequence

from cluster.online.event_log import Job
from cluster.online.leases import Lease
from cluster.sqlite.file import Database, SqliteFile

_TAKE = """
INSERT INTO leases VALUES (:job, :partition, :owner, 1, :until)
    ON CONFLICT DO UPDATE SET
        token = token + (owner <> excluded.owner OR until_us <= :now), owner = excluded.owner, until_us = :until
        WHERE owner = excluded.owner OR until_us <= :now
"""


class SqliteLeases:
    """`Leases` in one file."""

    def __init__(self, file: SqliteFile) -> None:
        self._file = file

    def alive(self, job: Job, owner: str, life_s: float) -> list[str]:
        """Say that `owner` lives for another `life_s`; all who live, sorted."""
        now = _now_us()
        with self._file.write() as db:
            db.execute("DELETE FROM consumers WHERE until_us <= ?", (now,))
            db.execute("INSERT OR REPLACE INTO consumers VALUES (?, ?, ?)", (job, owner, now + round(life_s * 1e6)))
            rows = db.execute("SELECT owner FROM consumers WHERE job = ? ORDER BY owner", (job,)).fetchall()
        return [name for (name,) in rows]

    def hold(self, job: Job, partitions: Sequence[int], owner: str, life_s: float) -> list[Lease]:
        """Renew what `owner` holds of the partitions and take what is free."""
        now = _now_us()
        until = now + round(life_s * 1e6)
        with self._file.write() as db:
            for partition in partitions:
                values = {"job": job, "partition": partition, "owner": owner, "until": until, "now": now}
                db.execute(_TAKE, values)
            rows = db.execute(
                "SELECT job, partition, owner, token FROM leases WHERE job = ? AND owner = ? AND until_us > ?",
                (job, owner, now),
            ).fetchall()
        return [Lease(Job(job), *rest) for job, *rest in rows if rest[0] in partitions]

    def holds(self, lease: Lease) -> bool:
        """Whether the lease is still its owner's."""
        with self._file.read() as db:
            return is_held(db, lease)

    def release(self, leases: Sequence[Lease]) -> None:
        """Free them; one that was lost is left alone."""
        with self._file.write() as db:
            db.executemany(
                "UPDATE leases SET until_us = 0 WHERE job = ? AND partition = ? AND owner = ? AND token = ?",
                [(lease.job, lease.partition, lease.owner, lease.token) for lease in leases],
            )

    def leave(self, job: Job, owner: str) -> None:
        """`owner` is not alive any more."""
        with self._file.write() as db:
            db.execute("DELETE FROM consumers WHERE job = ? AND owner = ?", (job, owner))

    def holders(self) -> list[Lease]:
        """All leases that are held now, by job and partition."""
        query = "SELECT job, partition, owner, token FROM leases WHERE until_us > ? ORDER BY job, partition"
        with self._file.read() as db:
            return [Lease(Job(job), *rest) for job, *rest in db.execute(query, (_now_us(),))]


def is_held(db: Database, lease: Lease) -> bool:
    """Whether the lease is its owner's, as the transaction sees it."""
    row = db.execute(
        "SELECT 1 FROM leases WHERE job = ? AND partition = ? AND owner = ? AND token = ? AND until_us > ?",
        (lease.job, lease.partition, lease.owner, lease.token, _now_us()),
    ).fetchone()
    return row is not None


def _now_us() -> int:
    return time.time_ns() // 1_000
