"""One split to chunks, whatever its form. What cannot be read is reported beside what can."""

from __future__ import annotations

from collections.abc import Iterator
from zlib import error as ZlibError

import polars as pl
import pyarrow as pa

from models.errors import InputError
from pipelines.ingestion.chunks import BadRow, Chunk
from pipelines.ingestion.delimited import read_delimited
from pipelines.ingestion.json_lines import read_json_lines
from pipelines.ingestion.layout import SourceFile
from pipelines.ingestion.parquet import read_parquet
from pipelines.ingestion.splits import Split

_UNREADABLE = (OSError, EOFError, ZlibError, pa.ArrowException, InputError)
_READERS = {"delimited": read_delimited, "jsonl": read_json_lines, "parquet": read_parquet}


_SAMPLE_BYTES = 1 << 18


def read_sample(file: SourceFile) -> pl.DataFrame:
    """The first rows of a file; empty when there are none that can be read."""
    whole = Split(0, file, 0, 1 if file.layout.form == "parquet" else file.num_bytes)
    readers = {"delimited": read_delimited, "jsonl": read_json_lines}
    reader = readers.get(file.layout.form)
    try:
        chunks = reader(whole, _SAMPLE_BYTES) if reader else read_parquet(whole)
        return next((chunk.frame for chunk in chunks if len(chunk.frame)), pl.DataFrame())
    except _UNREADABLE:
        return pl.DataFrame()


def read_split(split: Split) -> Iterator[Chunk]:
    """All rows of a split, in order. An empty file, or one that breaks off, ends in one bad record without a row."""
    if split.file.num_bytes == 0:
        yield Chunk(pl.DataFrame(), [BadRow(None, "file: file is empty")])
        return
    try:
        yield from _READERS[split.file.layout.form](split)
    except _UNREADABLE as error:
        yield Chunk(pl.DataFrame(), [BadRow(None, f"file: file is unreadable from here on: {str(error)[:200]}")])
