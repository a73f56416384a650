"""Parquet: row groups one by one, so that a broken one does not take the others with it."""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from cluster.storage import filesystem
from pipelines.ingestion.chunks import ROW, BadRow, Chunk, to_columns
from pipelines.ingestion.decoding import decode
from pipelines.ingestion.layout import SourceFile
from pipelines.ingestion.splits import Split

_CHUNK_ROWS = 250_000


def read_parquet(split: Split) -> Iterator[Chunk]:
    """Chunks of one split with the file's own types. `OSError` or `ArrowException` when the file has no footer."""
    fs, path = filesystem(split.file.uri)
    with fs.open(path, "rb") as raw:
        file = pq.ParquetFile(raw)
        num_before = 0
        for group in range(split.start, min(split.stop, file.num_row_groups)):
            num_rows = file.metadata.row_group(group).num_rows
            try:
                rows = file.read_row_group(group)
            except (OSError, pa.ArrowException) as error:
                reason = f"file: row group {group} ({num_rows:,} rows from here) is unreadable: {str(error)[:100]}"
                yield Chunk(pl.DataFrame(), [BadRow(num_before + 1, reason, num_rows=num_rows)])
            else:
                for at in range(0, num_rows, _CHUNK_ROWS):
                    first = num_before + at + 1
                    part = rows.slice(at, _CHUNK_ROWS)
                    numbers = pl.int_range(first, first + len(part), eager=True).alias(ROW)
                    frame, foreign = decode(part, numbers)
                    yield Chunk(to_columns(frame, split.file.table, split.file.layout), foreign)
            num_before += num_rows


def column_names(file: SourceFile) -> tuple[str, ...]:
    """Names of the columns; empty when the file has no readable footer."""
    fs, path = filesystem(file.uri)
    try:
        with fs.open(path, "rb") as raw:
            return tuple(pq.read_schema(raw).names)
    except (OSError, pa.ArrowException):
        return ()
