"""Rows that the lake does not have yet, into the lake: each key once, in one commit, by tasks that never meet.

    rows of the source ─┐
                        ├─> partitions of days (large days cut by key) ─> keep new keys ─> Parquet parts ─> one commit
    keys of the lake  ──┘

The driver sees counts and file names only. What a crash leaves behind are files that no commit names; running
again finds what is in the lake and adds the rest.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import polars as pl
import pyarrow as pa
import ray
import ray.data
from ray.data import Dataset
from ray.exceptions import RayTaskError

from cluster.delta.lake import AppTransaction, Lake
from cluster.delta.parts import Part, write_part
from models.errors import ShoalError
from models.tables import TABLES, Table
from pipelines.ingestion.chunks import ROW
from pipelines.ingestion.datasource import EXISTING, SPLIT, ExistingKeys

APP_ID = "ingest"
_ROWS_A_PARTITION = 1_500_000
"""Rows that one task compares and writes, some 300 MB."""
_KEYS_A_ROW = 4
"""Of the lake's rows only keys are read: so many weigh as much as one new row."""
_PARTS_A_READ = 256
_ROWS_A_READ = 2_000_000
_ATTEMPTS = 5
_PARTITION = "_partition"
_SEED = 1
_PART = {"path": pl.String, "day": pl.Date, "num_rows": pl.Int64, "num_bytes": pl.Int64, "written_ms": pl.Int64}


@dataclass(frozen=True, slots=True)
class Partitions:
    """Where a row is compared: partitions `first` … `first + spread − 1` of its day, by the hash of its key."""

    days: pl.DataFrame
    count: int


def append_new(rows: Dataset, days: Mapping[date | None, int], lake: Lake, table: Table) -> int:
    """Append the rows (in `checked_schema`, all good) whose key the lake does not hold; how many they were.

    `days`: number of rows by day. Of several rows with one key the first in the source is taken.
    """
    for _ in range(_ATTEMPTS):
        before = lake.applied(table, APP_ID)
        parts = _write(rows, days, lake, table)
        if not parts:
            return 0
        if lake.commit(table, parts, AppTransaction(APP_ID, before + 1, after=before)):
            return sum(part.num_rows for part in parts)
        # Another ingest committed since: what it added may be ours, so the keys are compared anew.
    raise ShoalError(f"other ingests into {lake.uri} came first {_ATTEMPTS} times. Run one at a time.")


def _write(rows: Dataset, days: Mapping[date | None, int], lake: Lake, table: Table) -> list[Part]:
    existing = lake.parts(table, None if None in days else {day for day in days if day})
    partitions = plan_partitions(days, existing)
    if existing:
        groups = _groups(existing)
        rows = rows.union(ray.data.read_datasource(ExistingKeys(lake, table, groups), override_num_blocks=len(groups)))
    if partitions.count == 1:
        meeting = rows.repartition(1)
    else:
        options = {"days": partitions.days, "table": table}
        placed = rows.map_batches(place, batch_format="pyarrow", batch_size=None, fn_kwargs=options)
        meeting = placed.repartition(partitions.count, keys=[_PARTITION])
    options = {"table_uri": lake.table_uri(table), "table": table}
    written = meeting.map_batches(write_new, batch_format="pyarrow", batch_size=None, fn_kwargs=options)
    try:
        blocks = [pl.DataFrame(block) for block in ray.get(written.to_arrow_refs())]
    except RayTaskError:
        lake.check_writable(table)  # only the text of a task's own error arrives
        raise
    return [Part(*row) for block in blocks for row in block.select(_PART.keys()).iter_rows()]


def plan_partitions(days: Mapping[date | None, int], existing: Sequence[Part]) -> Partitions:
    """Small days share a partition, large ones are spread over several, about `_ROWS_A_PARTITION` rows in each."""
    rows = dict(days)
    for part in existing:
        rows[part.day] = rows.get(part.day, 0) + part.num_rows // _KEYS_A_ROW
    first, room, placed = 0, _ROWS_A_PARTITION, []
    for day, num_rows in sorted(rows.items(), key=lambda item: item[0] or date.min):
        if num_rows > room and room < _ROWS_A_PARTITION:
            first, room = first + 1, _ROWS_A_PARTITION
        spread = max(1, -(-num_rows // _ROWS_A_PARTITION))
        placed.append((day, first, spread))
        if spread > 1:
            first, room = first + spread, _ROWS_A_PARTITION
        else:
            room -= num_rows
    schema = {"date": pl.Date, "first": pl.Int64, "spread": pl.Int64}
    table = pl.DataFrame(placed, schema=schema, orient="row")
    return Partitions(table, max((first + spread for _, first, spread in placed), default=1))


def place(block: pa.Table, days: pl.DataFrame, table: Table) -> pa.Table:
    """The block with the partition of each row."""
    frame = pl.DataFrame(block)
    by_key = pl.col(TABLES[table].key).hash(seed=_SEED) % pl.col("spread").cast(pl.UInt64)
    joined = (
        frame.join(days, on="date", how="left", maintain_order="left")
        if "date" in frame.columns
        else frame.with_columns(first=pl.lit(days["first"][0]), spread=pl.lit(days["spread"][0]))
    )
    partition = joined.select((pl.col("first") + by_key.cast(pl.Int64)).alias(_PARTITION)).to_series()
    return block.append_column(_PARTITION, partition.to_arrow())


def write_new(block: pa.Table, table_uri: str, table: Table) -> pa.Table:
    """Write the new rows of one partition, a part a day; the parts as rows."""
    spec = TABLES[table]
    if not block.num_rows:
        return _parts_table([])
    new = _new_rows(block, table)
    rows = block.select(spec.schema.names).take(new["at"].to_arrow()).cast(spec.schema)
    if not spec.partition_by:
        return _parts_table([write_part(table_uri, rows, None)] if rows.num_rows else [])
    sizes = new.group_by("date", maintain_order=True).len()
    parts, start = [], 0
    for day, num_rows in sizes.iter_rows():
        parts.append(write_part(table_uri, rows.slice(start, num_rows), day))
        start += num_rows
    return _parts_table(parts)


def _new_rows(block: pa.Table, table: Table) -> pl.DataFrame:
    """Where (`at`) the new rows are, by day and in the order of the source. Only keys are sorted, not whole rows."""
    spec = TABLES[table]
    identity = [spec.key, *spec.partition_by]
    keys = pl.DataFrame(block.select([*identity, SPLIT, ROW])).with_row_index("at")
    known = keys.filter(pl.col(SPLIT) == EXISTING).select(identity)
    new = keys.filter(pl.col(SPLIT) != EXISTING).sort(*spec.partition_by, SPLIT, ROW)
    new = new.unique(identity, keep="first", maintain_order=True)
    return new.join(known, on=identity, how="anti", maintain_order="left")


def _parts_table(parts: Sequence[Part]) -> pa.Table:
    rows = [(part.path, part.day, part.num_rows, part.num_bytes, part.written_ms) for part in parts]
    return pl.DataFrame(rows, schema=_PART, orient="row").to_arrow()


def _groups(parts: Sequence[Part]) -> list[list[Part]]:
    """Runs of parts that one task reads."""
    groups: list[list[Part]] = [[]]
    rows = 0
    for part in parts:
        if groups[-1] and (len(groups[-1]) >= _PARTS_A_READ or rows + part.num_rows > _ROWS_A_READ):
            groups.append([])
            rows = 0
        groups[-1].append(part)
        rows += part.num_rows
    return groups
