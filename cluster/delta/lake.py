"""The lake: Delta tables on a local folder or S3."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, Schema, Transaction, write_deltalake
from deltalake.exceptions import CommitFailedError
from deltalake.transaction import AddAction, RemoveAction

from cluster.delta.commit import ATTEMPTS, PATIENT_ATTEMPTS, retried
from cluster.delta.log import PROPERTIES
from cluster.delta.parts import Part
from cluster.delta.upkeep import LakeUpkeep
from cluster.delta.writing import writing
from cluster.storage import filesystem, join
from models.tables import TABLES, Table

Filter = tuple[str, str, object]
"""A partition filter, for example `("date", ">=", "2026-01-31")`."""

_READ_AHEAD = {"batch_readahead": 4, "fragment_readahead": 2}
"""Of `batches`: some 100 MB of events, whatever the table."""


_PROBE_BYTES = 1 << 16


@dataclass(frozen=True, slots=True)
class AppTransaction:
    """Names one batch of one writer, so that writing it again is a no-op."""

    app_id: str
    version: int
    after: int | None = None
    """When given: the batch was cut to follow this version and is not written behind any other."""


class Lake(LakeUpkeep):
    """Reads and writes of rows. Every call sees the newest commit, or the pinned one."""

    def num_rows(self, table: Table) -> int:
        """Rows of the newest version, from the log's statistics alone."""
        delta = self._open(table)
        return 0 if delta is None else int(delta.to_pyarrow_dataset().count_rows())

    def rows_by_date(self, table: Table) -> dict[date, int]:
        """Number of rows of each `date` partition, from the log alone."""
        delta = self._open(table)
        if delta is None:
            return {}
        actions = pa.table(delta.get_add_actions(flatten=True))
        days, counts = actions["partition.date"].to_pylist(), actions["num_records"].to_pylist()
        rows: dict[date, int] = {}
        for day, count in zip(days, counts, strict=True):
            day = _day(day)
            rows[day] = rows.get(day, 0) + count
        return rows

    def read(
        self,
        table: Table,
        columns: Sequence[str] | None = None,
        partitions: Sequence[Filter] | None = None,
        version: int | None = None,
    ) -> pa.Table:
        """The table in memory, in the newest schema; empty (with its schema) before the first commit."""
        schema = TABLES[table].schema
        fields = [schema.field(name) for name in columns] if columns else list(schema)
        delta = self._open(table, version)
        if delta is None:
            return pa.schema(fields).empty_table()
        dataset = delta.to_pyarrow_dataset(file_pruning_predicate=list(partitions or []) or None)
        try:
            rows = dataset.to_table(columns=_present(delta, fields))
        except FileNotFoundError as error:
            raise self._gone(table, delta.version()) from error
        return _conform(rows, pa.schema(fields))

    def batches(
        self, table: Table, columns: Sequence[str], partitions: Sequence[Filter] | None = None
    ) -> Iterable[pa.RecordBatch]:
        """Record batches of the given columns in the newest schema, never the whole table in memory."""
        delta = self._open(table)
        if delta is None:
            return iter(())
        schema = pa.schema([TABLES[table].schema.field(name) for name in columns])
        dataset = delta.to_pyarrow_dataset(file_pruning_predicate=list(partitions or []) or None)
        return self._batches(table, delta, dataset, schema)

    def filtered(self, table: Table, where: Any) -> Iterable[pa.RecordBatch]:
        """Record batches of the rows that fulfil a PyArrow expression, in the columns that the table has."""
        delta = self._open(table)
        if delta is None:
            return iter(())
        return delta.to_pyarrow_dataset().to_batches(filter=where)  # type: ignore[no-any-return]

    def columns(self, table: Table) -> frozenset[str]:
        """Names of the columns that the table has; none before its first commit."""
        delta = self._open(table)
        return frozenset() if delta is None else frozenset(field.name for field in delta.schema().fields)

    def append(
        self,
        table: Table,
        rows: pa.Table | pa.RecordBatchReader,
        transaction: AppTransaction | None = None,
    ) -> bool:
        """Append rows in one commit. False when `transaction` was applied or does not fit (`after`). `LakeError`."""
        attempts = ATTEMPTS if isinstance(rows, pa.Table) else 1  # a reader can be read only once
        with writing(self.table_uri(table)):
            self._prepare()
            return retried(lambda: self._append_once(table, rows, transaction), attempts)

    def upsert(self, table: Table, rows: pa.Table) -> int:
        """Insert new keys and update changed rows; returns rows changed. `updated_at` alone is no change.

        A column that `rows` lacks stays as it is. `LakeError`.
        """
        if not self.exists(table):
            self.append(table, rows)
            return int(rows.num_rows)
        with writing(self.table_uri(table)):
            return retried(lambda: self._upsert_once(table, rows), PATIENT_ATTEMPTS)

    def parts(self, table: Table, days: Collection[date] | None = None) -> list[Part]:
        """Files of the newest version, or only those of the given `date` partitions; from the log alone."""
        delta = self._open(table)
        if delta is None:
            return []
        actions = pa.table(delta.get_add_actions(flatten=True)).to_pylist()
        parts = [
            Part(
                a["path"], _day(a.get("partition.date")), a["num_records"], a["size_bytes"], _ms(a["modification_time"])
            )
            for a in actions
        ]
        return parts if days is None else [part for part in parts if part.day in days]

    def commit(self, table: Table, parts: Sequence[Part], transaction: AppTransaction) -> bool:
        """Add files that `write_part` wrote, in one commit. False when `transaction` does not fit (any more).

        `LakeError`.
        """
        with writing(self.table_uri(table)):
            self._prepare()
            return self._commit_once(table, parts, transaction)

    def check_writable(self, table: Table) -> None:
        """`LakeError` when no file can be written beside the table's."""
        fs, target = filesystem(join(self.table_uri(table), f"probe-{uuid.uuid4().hex}"))
        with writing(self.table_uri(table)):
            fs.pipe_file(target, bytes(_PROBE_BYTES))
            fs.rm_file(target)

    def applied(self, table: Table, app_id: str) -> int:
        """Version of the last batch that writer `app_id` committed; -1 when none."""
        delta = self._open(table)
        return -1 if delta is None else _applied(delta, app_id)

    def _commit_once(self, table: Table, parts: Sequence[Part], transaction: AppTransaction) -> bool:
        spec = TABLES[table]
        delta = retried(lambda: self._widened(table))
        applied = _applied(delta, transaction.app_id)
        if applied >= transaction.version or transaction.after not in (None, applied):
            return False
        actions: list[AddAction | RemoveAction] = [
            AddAction(p.path, p.num_bytes, p.partition_values, p.written_ms, True, p.stats) for p in parts
        ]
        properties = CommitProperties(app_transactions=[Transaction(transaction.app_id, transaction.version)])
        try:
            delta.create_write_transaction(
                actions, "append", spec.schema, list(spec.partition_by), commit_properties=properties
            )
        except CommitFailedError:  # another writer of this application came between
            return False
        return True

    def _widened(self, table: Table) -> DeltaTable:
        """The newest version, with every column of today: files may hold one that a table of an older Shoal lacks."""
        delta = self._open(table) or self._create(table)
        known = {field.name for field in delta.schema().fields}
        missing = pa.schema([field for field in TABLES[table].schema if field.name not in known])
        if missing:
            delta.alter.add_columns(Schema.from_arrow(missing).fields)
            return self._must_open(table)
        return delta

    def _upsert_once(self, table: Table, rows: pa.Table) -> int:
        spec = TABLES[table]
        delta = self._must_open(table)
        given = [field for field in spec.schema if field.name in rows.column_names]
        content = [field.name for field in given if field.name not in (spec.key, "updated_at")]
        present = {field.name for field in delta.schema().fields}
        changed = " OR ".join(
            f"(s.{name} IS DISTINCT FROM t.{name})" if name in present else f"(s.{name} IS NOT NULL)"
            for name in content
        )
        merge = delta.merge(
            _conform(rows, pa.schema(given)),
            f"s.{spec.key} = t.{spec.key}",
            source_alias="s",
            target_alias="t",
            merge_schema=True,
        )
        values = {field.name: f"s.{field.name}" for field in given}
        metrics = merge.when_matched_update(values, changed).when_not_matched_insert(values).execute()
        return int(metrics["num_target_rows_inserted"]) + int(metrics["num_target_rows_updated"])

    def _append_once(
        self, table: Table, rows: pa.Table | pa.RecordBatchReader, transaction: AppTransaction | None
    ) -> bool:
        if transaction is None:
            self._write(self.table_uri(table), table, rows)
            return True
        # Check and commit work on one snapshot: Delta refuses the commit when another batch of the writer
        # came between. An empty first version gives two first writers a snapshot to disagree on.
        delta = self._open(table) or self._create(table)
        applied = _applied(delta, transaction.app_id)
        if applied >= transaction.version or transaction.after not in (None, applied):
            return False
        self._write(delta, table, rows, Transaction(transaction.app_id, transaction.version))
        return True

    def _batches(self, table: Table, delta: DeltaTable, dataset: Any, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
        try:
            for batch in dataset.to_batches(columns=_present(delta, list(schema)), **_READ_AHEAD):
                yield from _conform(pa.Table.from_batches([batch]), schema).to_batches()
        except FileNotFoundError as error:
            raise self._gone(table, delta.version()) from error

    def _write(
        self,
        target: str | DeltaTable,
        table: Table,
        rows: pa.Table | pa.RecordBatchReader,
        transaction: Transaction | None = None,
    ) -> None:
        spec = TABLES[table]
        write_deltalake(
            target,
            _conform(rows, spec.schema) if isinstance(rows, pa.Table) else rows,
            mode="append",
            partition_by=list(spec.partition_by) or None,
            schema_mode="merge",
            storage_options=self._options,
            configuration=PROPERTIES if isinstance(target, str) else None,  # used where this makes the table
            commit_properties=CommitProperties(app_transactions=[transaction]) if transaction else None,
        )


def _applied(delta: DeltaTable, app_id: str) -> int:
    found = delta.transaction_version(app_id)
    return -1 if found is None else found


def _day(value: Any) -> Any:
    """A partition value of the log, which is text or a date by the version that wrote it."""
    return date.fromisoformat(value) if isinstance(value, str) else value


def _ms(value: datetime | int) -> int:
    return int(value.timestamp() * 1000 if isinstance(value, datetime) else value)


def _present(delta: DeltaTable, fields: Sequence[pa.Field]) -> list[str]:
    """Columns an old table already has; the others are filled with nulls on read."""
    known = {field.name for field in delta.schema().fields}
    return [field.name for field in fields if field.name in known]


def _conform(rows: pa.Table, schema: pa.Schema) -> pa.Table:
    """Columns in contract order and type; a missing optional column becomes nulls."""
    columns = [
        rows[field.name].cast(field.type) if field.name in rows.column_names else pa.nulls(len(rows), field.type)
        for field in schema
    ]
    return pa.Table.from_arrays(columns, schema=schema)
