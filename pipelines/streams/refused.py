"""What of a stream could not be taken, as rows of the quarantine table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import pyarrow as pa

from models.events import derive_interaction_id
from models.quarantine import MAX_RECORD_CHARS, QUARANTINE
from models.tables import Table


@dataclass(frozen=True, slots=True)
class Refused:
    """One record, or a whole file. `source` and `row`: where it is from, in the quarantine table's sense."""

    table: Table
    source: str
    row: int | None
    reason: str
    record: str | None = None


def quarantine_rows(refused: Sequence[Refused], now: datetime) -> pa.Table:
    """Rows of the quarantine table; the same record has the same id each time."""
    rows = [
        {
            "quarantine_id": derive_interaction_id(each.table.value, each.source, each.row, each.reason),
            "table": each.table.value,
            "source_file": each.source,
            "source_row": each.row,
            "reason": each.reason,
            "record": each.record[:MAX_RECORD_CHARS] if each.record else None,
            "quarantined_at": now,
        }
        for each in refused
    ]
    return pa.Table.from_pylist(rows, QUARANTINE)
