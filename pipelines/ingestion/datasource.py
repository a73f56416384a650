"""Ray Data reads: each split one task, its rows checked where they are read.

Ray's own readers stop at a bad file, or skip a whole block of rows around it; here every row comes out once,
good or bad, and so the counts add up.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import polars as pl
import pyarrow as pa
from ray.data import Datasource, ReadTask
from ray.data.block import BlockMetadata

from cluster.delta.lake import Lake
from cluster.delta.parts import Part, read_part
from models.quarantine import MAX_RECORD_CHARS
from models.tables import TABLES, Table
from pipelines.ingestion.catalogue_rows import check_items, check_users
from pipelines.ingestion.checking import REASON, RECORD, Rules, check_interactions
from pipelines.ingestion.chunks import ROW, BadRow, Chunk
from pipelines.ingestion.reading import read_split
from pipelines.ingestion.splits import Split

SPLIT, NUM_ROWS = "_split", "_num_rows"
EXISTING = -1
"""`SPLIT` of a row that the lake holds already."""
_MARKS = [
    (SPLIT, pa.int64()),
    (ROW, pa.int64()),
    # Rows of the source that this row stands for: more than 1 for a lost row group.
    (NUM_ROWS, pa.int64()),
    (REASON, pa.string()),
    (RECORD, pa.string()),
]


def checked_schema(table: Table) -> pa.Schema:
    """The table's columns, all nullable, and the marks of a row on its way into the lake."""
    columns = [(field.name, field.type) for field in TABLES[table].schema]
    return pa.schema([*columns, *_MARKS])


class CheckedRows(Datasource):  # type: ignore[misc]
    """The checked rows of splits, all of one table: good ones with their columns, bad ones with reason and record."""

    def __init__(self, table: Table, splits: Sequence[Split], rules: Rules) -> None:
        super().__init__()
        self._table, self._splits, self._rules = table, splits, rules

    def get_read_tasks(self, parallelism: int, *_: Any, **__: Any) -> list[ReadTask]:
        """One task a split, whatever `parallelism` is wished for."""
        schema = checked_schema(self._table)
        return [
            ReadTask(partial(_read, self._table, split, self._rules), _metadata(split), schema=schema)
            for split in self._splits
        ]

    def estimate_inmemory_data_size(self) -> int | None:
        """Bytes of the files: Arrow holds them in about as many."""
        return sum(split.stop - split.start for split in self._splits if split.file.layout.form != "parquet") or None


class ExistingKeys(Datasource):  # type: ignore[misc]
    """Keys (and days) of the lake's rows in the form of `CheckedRows`, to be told from new ones."""

    def __init__(self, lake: Lake, table: Table, parts: Sequence[Sequence[Part]]) -> None:
        super().__init__()
        self._lake, self._table, self._parts = lake, table, parts

    def get_read_tasks(self, parallelism: int, *_: Any, **__: Any) -> list[ReadTask]:
        """One task a group of parts."""
        schema, uri = checked_schema(self._table), self._lake.table_uri(self._table)
        tasks = []
        for group in self._parts:
            rows = sum(part.num_rows for part in group)
            metadata = BlockMetadata(num_rows=rows, size_bytes=64 * rows, input_files=None, exec_stats=None)
            tasks.append(ReadTask(partial(_read_keys, uri, self._table, group), metadata, schema=schema))
        return tasks

    def estimate_inmemory_data_size(self) -> int | None:
        """64 bytes a key."""
        return 64 * sum(part.num_rows for group in self._parts for part in group)


def _metadata(split: Split) -> BlockMetadata:
    return BlockMetadata(
        num_rows=None, size_bytes=split.stop - split.start, input_files=[split.file.uri], exec_stats=None
    )


def _read(table: Table, split: Split, rules: Rules) -> Iterator[pa.Table]:
    for chunk in read_split(split):
        yield conform(_checked(table, chunk, split, rules), table)


def _checked(table: Table, chunk: Chunk, split: Split, rules: Rules) -> pl.DataFrame:
    frames = [_bad_frame(chunk.bad)]
    if len(chunk.frame):
        if table is Table.INTERACTIONS:
            rows = check_interactions(chunk.frame, rules)
        elif table is Table.ITEMS:
            rows = check_items(chunk.frame, rules.now, split.file.layout.list_separator)
        else:
            rows = check_users(chunk.frame, rules.now)
        frames.append(rows.with_columns(pl.lit(1, pl.Int64).alias(NUM_ROWS)))
    return pl.concat(frames, how="diagonal").with_columns(pl.lit(split.number, pl.Int64).alias(SPLIT))


def _bad_frame(rows: Sequence[BadRow]) -> pl.DataFrame:
    schema = {ROW: pl.Int64, REASON: pl.String, RECORD: pl.String, NUM_ROWS: pl.Int64}
    cut = [(bad.row, bad.reason, bad.record[:MAX_RECORD_CHARS] if bad.record else None, bad.num_rows) for bad in rows]
    return pl.DataFrame(cut, schema=schema, orient="row")


def _read_keys(uri: str, table: Table, parts: Sequence[Part]) -> Iterator[pa.Table]:
    key = TABLES[table].key
    frames = []
    for part in parts:
        keys = pl.DataFrame(read_part(uri, part.path, [key]))
        frames.append(keys.with_columns(pl.lit(part.day, pl.Date).alias("date")) if part.day else keys)
    yield conform(pl.concat(frames).with_columns(pl.lit(EXISTING, pl.Int64).alias(SPLIT)), table)


def conform(frame: pl.DataFrame, table: Table) -> pa.Table:
    """The frame in `checked_schema`, columns that it lacks as nulls."""
    rows = frame.to_arrow()
    columns = [
        rows[field.name].cast(field.type) if field.name in rows.column_names else pa.nulls(len(rows), field.type)
        for field in checked_schema(table)
    ]
    return pa.table(columns, schema=checked_schema(table))
