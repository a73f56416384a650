"""Records that could not be taken, kept with the reason so that they can be mended and sent again."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import pyarrow as pa

from models.events import SCHEMA_VERSION, TIMESTAMP

MAX_RECORD_CHARS = 1_000

QUARANTINE = pa.schema(
    [
        # Hash of table, file, row and reason: the same bad row of the same file is kept once.
        pa.field("quarantine_id", pa.string(), nullable=False),
        pa.field("table", pa.string(), nullable=False),
        pa.field("source_file", pa.string(), nullable=False),
        # 1-based row of the file, its header not counted; null when the file as a whole is unreadable.
        pa.field("source_row", pa.int64()),
        pa.field("reason", pa.string(), nullable=False),
        # The record as it was read, cut to MAX_RECORD_CHARS.
        pa.field("record", pa.string()),
        pa.field("quarantined_at", TIMESTAMP, nullable=False),
    ],
    metadata={"schema_version": str(SCHEMA_VERSION)},
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejected:
    """One record that a server did not take, as it was sent. `user_id`: whose it is as far as it says so, or empty."""

    quarantine_id: str
    table: str
    source_file: str
    reason: str
    record: str
    user_id: str
    timestamp: datetime

    @property
    def quarantined_at(self) -> datetime:
        """When it came."""
        return self.timestamp
