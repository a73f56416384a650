"""A file cut into pieces that tasks read side by side: byte ranges of text, row groups of Parquet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.parquet as pq

from cluster.storage import filesystem
from pipelines.ingestion.layout import SourceFile, multi_line

TEXT_SPLIT_BYTES = 64 << 20
PARQUET_SPLIT_BYTES = 128 << 20
_PIECES = 4
"""A text file is cut into at least so many pieces, once each is worth a task."""
_MIN_SPLIT_BYTES = 4 << 20


@dataclass(frozen=True, slots=True)
class Split:
    """Bytes [start, stop) of a text file, or row groups [start, stop) of a Parquet file.

    `number` counts over all splits of a table. Lines belong to the split in which they begin.
    """

    number: int
    file: SourceFile
    start: int
    stop: int


def split(files: Sequence[SourceFile]) -> list[Split]:
    """Splits of all files, in order."""
    ranges = [(file, start, stop) for file in files for start, stop in _ranges(file)]
    return [Split(number, *piece) for number, piece in enumerate(ranges)]


def _ranges(file: SourceFile) -> list[tuple[int, int]]:
    if file.layout.form == "parquet":
        return _row_groups(file)
    if file.uri.endswith(".gz") or multi_line(file):
        return [(0, file.num_bytes)]
    size = max(_MIN_SPLIT_BYTES, min(TEXT_SPLIT_BYTES, file.num_bytes // _PIECES + 1))
    return [(at, min(at + size, file.num_bytes)) for at in range(0, file.num_bytes, size)] or [(0, 0)]


def _row_groups(file: SourceFile) -> list[tuple[int, int]]:
    """Runs of row groups of about `PARQUET_SPLIT_BYTES`; one for a file without a footer: its task says why."""
    fs, path = filesystem(file.uri)
    try:
        with fs.open(path, "rb") as raw:
            footer = pq.read_metadata(raw)
    except (OSError, pa.ArrowException):
        return [(0, 1)]
    ranges, start, size = [], 0, 0
    for group in range(footer.num_row_groups):
        size += footer.row_group(group).total_byte_size
        if size >= PARQUET_SPLIT_BYTES:
            ranges.append((start, group + 1))
            start, size = group + 1, 0
    return [*ranges, (start, footer.num_row_groups)] if start < footer.num_row_groups or not ranges else ranges
