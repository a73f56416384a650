"""Rows to one Parquet file, streamed: written aside and made visible when whole."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq


def write_parquet(batches: Iterable[pa.Table], schema: pa.Schema, out: Path) -> int:
    """Write all batches; returns the number of rows. Never holds more than one batch."""
    out.parent.mkdir(parents=True, exist_ok=True)
    aside = out.with_name(f".{out.name}.{uuid.uuid4().hex}")
    num_rows = 0
    try:
        with pq.ParquetWriter(aside, schema) as writer:
            for batch in batches:
                writer.write_table(batch.cast(schema))
                num_rows += len(batch)
        aside.replace(out)
    finally:
        aside.unlink(missing_ok=True)
    return num_rows
