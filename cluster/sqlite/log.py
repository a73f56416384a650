"""The event log in the SQLite file."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence

from cluster.online.codec import LAKE_ONLY, logged
from cluster.online.event_log import DeadLetter, Job, Lag, Logged
from cluster.sqlite.file import Database, SqliteFile

_LETTER = "partition, offset, kind, body, reason, refused_by_lake"
_FORWARD = """
INSERT INTO positions VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET offset = max(offset, excluded.offset)
"""
_MOST_COUNTED = 100_000
_BEHIND = f"""
SELECT count(*), min(offset) FROM (
    SELECT offset FROM entries WHERE partition = ? AND offset > ? ORDER BY offset LIMIT {_MOST_COUNTED})
"""
_REPLAYABLE = f"""
SELECT {_LETTER} FROM dead_letters WHERE partition = ?1 AND offset = ?2
    AND offset <= (SELECT offset FROM positions WHERE job = '{Job.LAKE}' AND partition = ?1)
    AND ?3 >= (SELECT coalesce(max(offset), 0) FROM tombstones)
"""


class SqliteLog:
    """`EventLog` in one file. `num_partitions`: of a file that has none yet."""

    def __init__(self, file: SqliteFile, num_partitions: int) -> None:
        self._file, self._wanted = file, num_partitions
        self._num_partitions: int | None = None

    def num_partitions(self) -> int:
        """What the file says, or what was asked for when it says nothing yet."""
        if self._num_partitions is None:
            with self._file.write() as db:
                db.execute("INSERT OR IGNORE INTO settled VALUES ('num_partitions', ?)", (self._wanted,))
                (number,) = db.execute("SELECT value FROM settled WHERE name = 'num_partitions'").fetchone()
            self._num_partitions = int(number)
        return self._num_partitions

    def read(self, partition: int, after: int, limit: int) -> list[Logged]:
        """Entries with an offset above `after`, in order."""
        with self._file.read() as db:
            rows = db.execute(
                "SELECT offset, kind, body FROM entries WHERE partition = ? AND offset > ? ORDER BY offset LIMIT ?",
                (partition, after, limit),
            ).fetchall()
        return [logged(*row) for row in rows]

    def position(self, job: Job, partition: int) -> int:
        """The offset through which the job is done."""
        with self._file.read() as db:
            return position(db, job, partition)

    def advance(self, partition: int, through: int) -> None:
        """The lake has the partition up to and including `through`."""
        with self._file.write() as db:
            db.execute(_FORWARD, (Job.LAKE, partition, through))

    def trim(self, partition: int) -> None:
        """Drop what every job is done with."""
        with self._file.write() as db:
            through = min(position(db, job, partition) for job in Job)
            db.execute("DELETE FROM entries WHERE partition = ? AND offset <= ?", (partition, through))

    def lags(self) -> list[Lag]:
        """Of each job and partition; counts end at 100,000, because counting reads what is counted."""
        return [self._lag(job, partition) for job in Job for partition in range(self.num_partitions())]

    def _lag(self, job: Job, partition: int) -> Lag:
        with self._file.read() as db:
            num, oldest = db.execute(_BEHIND, (partition, position(db, job, partition))).fetchone()
        return Lag(job, partition, num, max(0.0, time.time() - oldest / 1e6) if num else 0.0)

    def bury(self, letters: Sequence[DeadLetter]) -> None:
        """Keep entries that cannot be used."""
        rows = [(x.partition, x.offset, x.kind, x.body, x.reason, x.refused_by_lake) for x in letters]
        with self._file.write() as db:
            db.executemany(f"INSERT OR IGNORE INTO dead_letters ({_LETTER}) VALUES (?, ?, ?, ?, ?, ?)", rows)

    def buried(self, partition: int, after: int) -> set[int]:
        """Offsets above `after` of the partition's dead letters."""
        query = "SELECT offset FROM dead_letters WHERE partition = ? AND offset > ?"
        with self._file.read() as db:
            return {offset for (offset,) in db.execute(query, (partition, after))}

    def dead_letters(self, limit: int) -> list[DeadLetter]:
        """The oldest `limit` of each partition, by partition and offset."""
        query = f"SELECT {_LETTER} FROM dead_letters WHERE partition = ? ORDER BY offset LIMIT ?"
        letters = []
        for partition in range(self.num_partitions()):
            with self._file.read() as db:
                rows = db.execute(query, (partition, limit)).fetchall()
            letters += [DeadLetter(p, o, k, b, why, bool(by)) for p, o, k, b, why, by in rows]
        return letters

    def num_dead_letters(self) -> int:
        """How many are kept."""
        with self._file.read() as db:
            return int(db.execute("SELECT count(*) FROM dead_letters").fetchone()[0])

    def replay(self, letters: Sequence[DeadLetter], erased_through: Mapping[int, int]) -> int:
        """Put dead letters back at the end of the log, all in one step."""
        num = 0
        with self._file.write() as db:
            for offset, letter in enumerate(letters, next_offset(db, len(letters))):
                known = erased_through[letter.partition]
                row = db.execute(_REPLAYABLE, (letter.partition, letter.offset, known)).fetchone()
                if row is None:
                    continue
                partition, _, kind, body, _, refused_by_lake = row
                kind |= LAKE_ONLY if refused_by_lake else 0
                db.execute("INSERT INTO entries VALUES (?, ?, ?, ?)", (partition, offset, kind, body))
                db.execute(
                    "DELETE FROM dead_letters WHERE partition = ? AND offset = ?", (letter.partition, letter.offset)
                )
                num += 1
        return num

    def drop(self, letters: Sequence[DeadLetter]) -> int:
        """Remove dead letters for good, all in one step."""
        rows = [(letter.partition, letter.offset) for letter in letters]
        with self._file.write() as db:
            return db.executemany("DELETE FROM dead_letters WHERE partition = ? AND offset = ?", rows).rowcount


def next_offset(db: Database, num: int, clock: Callable[[], int] = time.time_ns) -> int:
    """The first of `num` offsets that are taken with it: the clock, or one above the last when that is ahead."""
    row = db.execute("SELECT value FROM settled WHERE name = 'offset'").fetchone()
    first = max(clock() // 1_000, row[0] + 1 if row else 1)
    db.execute("INSERT OR REPLACE INTO settled VALUES ('offset', ?)", (first + num - 1,))
    return int(first)


def position(db: Database, job: Job, partition: int) -> int:
    """The offset through which the job is done; 0 before its first."""
    row = db.execute("SELECT offset FROM positions WHERE job = ? AND partition = ?", (job, partition)).fetchone()
    return int(row[0]) if row else 0
