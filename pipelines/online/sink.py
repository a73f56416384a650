"""The event log into the lake, each entry exactly once.

    read a part of the log ─> append to `interactions` ─> append to `exposures` ─> trim the log behind it

Each append is one Delta commit that also records, for this store, the last offset it holds. A crash between any two
steps is mended by running again: entries at or below a table's recorded offset are left out, wherever the part is cut.
Entries of erased users from before their erasure are dropped (`pipelines/online/late_entries.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pyarrow as pa

from cluster.lake import AppTransaction, Lake
from cluster.online_store import Logged, OnlineStore
from models.events import Interaction
from models.exposures import Exposure
from models.tables import TABLES, Table
from pipelines.online.late_entries import without_erased

BATCH_SIZE = 50_000
"""Entries of one commit, some 100 MB in memory while they are moved."""

_SOURCES: dict[Table, type[Interaction] | type[Exposure]] = {
    Table.INTERACTIONS: Interaction,
    Table.EXPOSURES: Exposure,
}


@dataclass(frozen=True, slots=True)
class SinkSummary:
    """What one run moved. `through`: the last offset that is in the lake for certain, 0 when none."""

    num_interactions: int = 0
    num_exposures: int = 0
    through: int = 0


def sink(
    store: OnlineStore,
    lake: Lake,
    *,
    batch_size: int = BATCH_SIZE,
    on_batch: Callable[[SinkSummary], None] | None = None,
) -> SinkSummary:
    """Move everything that is in the log now. Several at once are safe: one of them moves each entry."""
    total, app_id = SinkSummary(), f"event-sink-{store.identity()}"
    while batch := store.read_log(total.through, batch_size):
        moved = {table: _move(store, lake, table, batch, app_id) for table in _SOURCES}
        through = batch[-1].offset
        total = SinkSummary(
            total.num_interactions + moved[Table.INTERACTIONS],
            total.num_exposures + moved[Table.EXPOSURES],
            through,
        )
        store.trim_log(through)
        if on_batch is not None:
            on_batch(total)
    return total


def _move(store: OnlineStore, lake: Lake, table: Table, batch: Sequence[Logged], app_id: str) -> int:
    """Append what the table does not have yet of the batch; the number of rows appended."""
    through = batch[-1].offset
    while (applied := lake.applied(table, app_id)) < through:
        ours = [e for e in batch if e.offset > applied and isinstance(e.entry, _SOURCES[table])]
        rows = [e.entry for e in without_erased(store, ours)]
        if not ours:
            return 0
        # False: another sink came first. What it left over is moved in the next turn.
        if lake.append(table, _columns(rows, table), AppTransaction(app_id, through, after=applied)):
            return len(rows)
    return 0


def _columns(rows: Sequence[Interaction | Exposure], table: Table) -> pa.Table:
    """The rows in the table's schema; a column that entries do not have is null."""
    schema = TABLES[table].schema
    values = {name: [getattr(row, name, None) for row in rows] for name in schema.names}
    values["date"] = [row.timestamp.date() for row in rows]
    return pa.table(values, schema=schema)
