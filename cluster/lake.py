"""The lake: Delta tables on a local folder or S3. The only home of `deltalake`."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, Transaction, write_deltalake
from deltalake.exceptions import CommitFailedError, TableNotFoundError
from deltalake.transaction import AddAction, RemoveAction

from cluster.lake_parts import Part
from cluster.settings import Settings
from cluster.storage import delta_options, is_local, join
from models.errors import NotFoundError
from models.tables import TABLES, Table

_COMMIT_ATTEMPTS = 5

Filter = tuple[str, str, object]
"""A partition filter, for example `("date", ">=", "2026-01-31")`."""


@dataclass(frozen=True, slots=True)
class AppTransaction:
    """Names one batch of one writer, so that writing it again is a no-op."""

    app_id: str
    version: int
    after: int | None = None
    """When given: the batch was cut to follow this version and is not written behind any other."""


class Lake:
    """All tables under one root. Cheap to make; every call sees the newest commit, or the pinned one."""

    def __init__(
        self, uri: str, settings: Settings | None = None, *, versions: Mapping[str, int] | None = None
    ) -> None:
        self.uri = uri.rstrip("/")
        self._options = delta_options(uri, settings)
        self._settings, self._versions = settings, versions

    def pinned(self, versions: Mapping[str, int] | None = None) -> Lake:
        """This lake for reading, as of `versions` (by table name; -1: not there yet), or as of now."""
        return Lake(self.uri, self._settings, versions=versions or {t.value: self.version(t) for t in Table})

    @property
    def versions(self) -> dict[str, int]:
        """Commit of each table that a pinned lake reads."""
        return dict(self._versions or {})

    def table_uri(self, table: Table) -> str:
        """Address of one table."""
        return join(self.uri, table.value)

    @property
    def storage_options(self) -> dict[str, str] | None:
        """Options that other Delta readers (Ray Data) need for this lake."""
        return self._options

    def exists(self, table: Table) -> bool:
        """True once the table has its first commit."""
        if self._versions is not None:
            return self._versions.get(table.value, -1) >= 0
        return DeltaTable.is_deltatable(self.table_uri(table), self._options)

    def version(self, table: Table) -> int:
        """Newest commit of the table; -1 before the first."""
        delta = self._open(table)
        return -1 if delta is None else delta.version()

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
        return _conform(dataset.to_table(columns=_present(delta, fields)), pa.schema(fields))

    def batches(
        self, table: Table, columns: Sequence[str], partitions: Sequence[Filter] | None = None
    ) -> Iterable[pa.RecordBatch]:
        """Record batches of the given columns, never the whole table in memory."""
        delta = self._open(table)
        if delta is None:
            return iter(())
        dataset = delta.to_pyarrow_dataset(file_pruning_predicate=list(partitions or []) or None)
        return dataset.to_batches(columns=list(columns))  # type: ignore[no-any-return]

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
        """Append rows in one commit. False when `transaction` was applied or does not fit (`after`)."""
        self._prepare()
        if transaction is None:
            self._write(self.table_uri(table), table, rows)
            return True
        attempts = _COMMIT_ATTEMPTS if isinstance(rows, pa.Table) else 1  # a reader can be read only once
        while True:
            attempts -= 1
            try:
                return self._append_once(table, rows, transaction)
            except CommitFailedError:  # another writer committed, or made the table, at the same time
                if attempts == 0:
                    raise

    def upsert(self, table: Table, rows: pa.Table) -> int:
        """Insert new keys and update changed rows; returns rows changed. `updated_at` alone is no change."""
        spec = TABLES[table]
        if not self.exists(table):
            self.append(table, rows)
            return int(rows.num_rows)
        delta = self._must_open(table)
        content = [name for name in spec.schema.names if name not in (spec.key, "updated_at")]
        present = {field.name for field in delta.schema().fields}
        changed = " OR ".join(
            f"(s.{name} IS DISTINCT FROM t.{name})" if name in present else f"(s.{name} IS NOT NULL)"
            for name in content
        )
        merge = delta.merge(
            _conform(rows, spec.schema),
            f"s.{spec.key} = t.{spec.key}",
            source_alias="s",
            target_alias="t",
            merge_schema=True,
        )
        metrics = merge.when_matched_update_all(changed).when_not_matched_insert_all().execute()
        return int(metrics["num_target_rows_inserted"]) + int(metrics["num_target_rows_updated"])

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
        """Add files that `write_part` wrote, in one commit. False when `transaction` does not fit (any more)."""
        self._prepare()
        spec = TABLES[table]
        delta = self._open(table) or self._create(table)
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

    def applied(self, table: Table, app_id: str) -> int:
        """Version of the last batch that writer `app_id` committed; -1 when none."""
        delta = self._open(table)
        return -1 if delta is None else _applied(delta, app_id)

    def _append_once(self, table: Table, rows: pa.Table | pa.RecordBatchReader, transaction: AppTransaction) -> bool:
        # Check and commit work on one snapshot: Delta refuses the commit when another batch of the writer
        # came between. An empty first version gives two first writers a snapshot to disagree on.
        delta = self._open(table) or self._create(table)
        applied = _applied(delta, transaction.app_id)
        if applied >= transaction.version or transaction.after not in (None, applied):
            return False
        self._write(delta, table, rows, Transaction(transaction.app_id, transaction.version))
        return True

    def _create(self, table: Table) -> DeltaTable:
        spec = TABLES[table]
        return DeltaTable.create(
            self.table_uri(table),
            spec.schema,
            mode="ignore",
            partition_by=list(spec.partition_by) or None,
            storage_options=self._options,
        )

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
            commit_properties=CommitProperties(app_transactions=[transaction]) if transaction else None,
        )

    def _open(self, table: Table, version: int | None = None) -> DeltaTable | None:
        if version is None and self._versions is not None:
            version = self._versions.get(table.value, -1)
            if version < 0:
                return None
        try:
            return DeltaTable(self.table_uri(table), version=version, storage_options=self._options)
        except TableNotFoundError:
            return None

    def _must_open(self, table: Table) -> DeltaTable:
        delta = self._open(table)
        if delta is None:
            raise NotFoundError(f"no table {table} in {self.uri}. Ingest a log first: shoal ingest --help")
        return delta

    def _prepare(self) -> None:
        if is_local(self.uri):
            from pathlib import Path

            Path(self.uri).mkdir(parents=True, exist_ok=True)


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
