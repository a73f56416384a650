"""The event log into the lake, each entry exactly once.

    read a part of a partition ─> append to `interactions`, `exposures`, `quarantine` ─> advance ─> trim

Each append is one Delta commit that also records, for this store and partition, the last offset it holds. A crash
between any two steps is mended by running again: entries at or below a table's recorded offset are left out, wherever
the part is cut. A consumer that was paused and lost its partition cuts its part behind an offset that is not the
recorded one any more: Delta refuses the commit.

What cannot be decoded, and what the lake refuses, is buried with the reason before anything behind it is moved, so
that no crash can lose it; the good entries beside it go through. Entries of erased users from before their erasure are
dropped.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pyarrow as pa

from cluster.consuming.late_entries import without_erased
from cluster.delta.lake import AppTransaction, Lake
from cluster.delta.refusals import is_refusal, reason_of
from cluster.online.event_log import DeadLetter, Entry, Job, Logged, Undecodable
from cluster.online.store import OnlineStore
from models.errors import SchemaError
from models.events import Interaction
from models.exposures import Exposure
from models.quarantine import Rejected
from models.tables import TABLES, Table

BATCH_SIZE = 20_000
"""Entries of one commit, some 40 MB in memory and a second of work."""

_SOURCES: dict[Table, type[Entry]] = {
    Table.INTERACTIONS: Interaction,
    Table.EXPOSURES: Exposure,
    Table.QUARANTINE: Rejected,
}


@dataclass(frozen=True, slots=True)
class Moved:
    """What came into the lake, what was buried instead, and how many entries of the log were looked at."""

    num_interactions: int = 0
    num_exposures: int = 0
    num_buried: int = 0
    num_read: int = 0

    def __add__(self, other: Moved) -> Moved:
        return Moved(
            self.num_interactions + other.num_interactions,
            self.num_exposures + other.num_exposures,
            self.num_buried + other.num_buried,
            self.num_read + other.num_read,
        )


class LakeSink:
    """Moves partitions of one store into one lake."""

    def __init__(self, store: OnlineStore, lake: Lake, batch_size: int = BATCH_SIZE) -> None:
        self._store, self._log, self._lake, self._batch_size = store, store.log, lake, batch_size
        self._app_id = f"event-sink-{store.identity()}"
        self._applied: dict[tuple[Table, int], int] = {}
        self._floors: dict[Table, int] = {}
        self._num_buried = 0

    def step(self, partition: int, still: Callable[[], bool] = lambda: True) -> Moved | None:
        """Move the next part of a partition; None when there is nothing. `still`: asked before each commit.

        Whoever loses the partition on the way (`still` is False) stops, with None; what is moved by then stays moved.
        """
        batch = self._log.read(partition, self._log.position(Job.LAKE, partition), self._batch_size)
        if not batch:
            return None
        self._num_buried = 0
        skipped = self._log.buried(partition, batch[0].offset - 1)
        fresh = [e for e in batch if e.offset not in skipped]
        for logged in fresh:
            if isinstance(logged.entry, Undecodable):
                self._bury(partition, logged, logged.entry.reason, refused_by_lake=False)
        moved = {}
        for table in _SOURCES:
            if not still():
                return None
            moved[table] = self._move(table, partition, fresh)
        self._log.advance(partition, batch[-1].offset)
        self._log.trim(partition)
        return Moved(moved[Table.INTERACTIONS], moved[Table.EXPOSURES], self._num_buried, len(batch))

    def _move(self, table: Table, partition: int, batch: Sequence[Logged]) -> int:
        """Append what the table does not have yet of the batch; the number of rows appended."""
        app_id = f"{self._app_id}-{partition}"
        at = (table, partition)
        while True:
            if at not in self._applied:
                self._applied[at] = self._lake.applied(table, app_id)
            applied = max(self._applied[at], self._floor(table))
            ours = [e for e in batch if e.offset > applied and isinstance(e.entry, _SOURCES[table])]
            if not ours:
                return 0
            # Those of erased users are left out, and the commit is made even when none is left: a commit that began
            # before the erasure is refused behind it.
            rows, _ = without_erased(self._store, partition, ours)
            through = batch[-1].offset
            transaction = AppTransaction(app_id, through, after=self._applied[at])
            try:
                if self._lake.append(table, _columns(rows, table), transaction):
                    self._applied[at] = through
                    return len(rows)
            except Exception as error:
                if not is_refusal(error):
                    raise
                return self._move_what_is_taken(table, partition, rows, error)
            # Another sink came first. What it left over is moved in the next turn.
            del self._applied[at]

    def _move_what_is_taken(self, table: Table, partition: int, rows: Sequence[Logged], error: Exception) -> int:
        """The halves of what was refused, down to the single rows that are to blame."""
        if len(rows) == 1:
            self._bury(partition, rows[0], f"{table}: {reason_of(error)}", refused_by_lake=True)
            return 0
        middle = len(rows) // 2
        return self._move(table, partition, rows[:middle]) + self._move(table, partition, rows[middle:])

    def _bury(self, partition: int, logged: Logged, reason: str, *, refused_by_lake: bool) -> None:
        self._log.bury([DeadLetter(partition, logged.offset, logged.kind, logged.body, reason, refused_by_lake)])
        self._num_buried += 1

    def _floor(self, table: Table) -> int:
        """How far the store was moved when its log had no partitions."""
        if table not in self._floors:
            self._floors[table] = self._lake.applied(table, self._app_id)
        return self._floors[table]


def sink(
    store: OnlineStore,
    lake: Lake,
    *,
    batch_size: int = BATCH_SIZE,
    on_batch: Callable[[Moved], None] | None = None,
) -> Moved:
    """Move everything that is in the log now. Several at once are safe: one of them moves each entry."""
    total, mover = Moved(), LakeSink(store, lake, batch_size)
    for partition in range(store.log.num_partitions()):
        while (moved := mover.step(partition)) is not None:
            total += moved
            if on_batch is not None:
                on_batch(total)
    return total


def _columns(logged: Sequence[Logged], table: Table) -> pa.Table:
    """The rows in the table's schema; a column that entries do not have is null. What does not fit is refused."""
    schema, rows = TABLES[table].schema, [x.entry for x in logged]
    values = {name: [getattr(row, name, None) for row in rows] for name in schema.names}
    if "date" in schema.names:
        values["date"] = [row.timestamp.date() for row in rows if not isinstance(row, Undecodable)]
    columns = pa.table(values, schema=schema)
    for column in schema:
        if not column.nullable and columns[column.name].null_count:
            raise SchemaError(f"{column.name} is missing. Send it.")
    return columns
