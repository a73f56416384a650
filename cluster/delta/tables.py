"""Where the tables of a lake are, and as of which version they are opened."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Self

from deltalake import DeltaTable
from deltalake.exceptions import DeltaError, TableNotFoundError

from cluster.delta.log import PROPERTIES
from cluster.settings import Settings
from cluster.storage import delta_options, is_local, join
from models.errors import NotFoundError
from models.tables import TABLES, Table


class LakeTables:
    """All tables under one root. Cheap to make; every call sees the newest commit, or the pinned one."""

    def __init__(
        self, uri: str, settings: Settings | None = None, *, versions: Mapping[str, int] | None = None
    ) -> None:
        self.uri = uri.rstrip("/")
        self._options = delta_options(uri, settings)
        self._settings, self._versions = settings, versions

    def pinned(self, versions: Mapping[str, int] | None = None) -> Self:
        """This lake for reading, as of `versions` (by table name; -1: not there yet), or as of now."""
        versions = versions or {table.value: self.version(table) for table in Table}
        return type(self)(self.uri, self._settings, versions=versions)

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

    def _open(self, table: Table, version: int | None = None) -> DeltaTable | None:
        if version is None and self._versions is not None:
            version = self._versions.get(table.value, -1)
            if version < 0:
                return None
        try:
            return DeltaTable(self.table_uri(table), version=version, storage_options=self._options)
        except DeltaError as error:
            newest = None if version is None else self._newest(table)
            if newest is not None and version is not None and version <= newest.version():
                raise self._gone(table, version) from error
            if isinstance(error, TableNotFoundError):
                return None
            raise

    def _newest(self, table: Table) -> DeltaTable | None:
        try:
            return DeltaTable(self.table_uri(table), storage_options=self._options)
        except TableNotFoundError:
            return None

    def _must_open(self, table: Table, version: int | None = None) -> DeltaTable:
        delta = self._open(table, version)
        if delta is None:
            raise NotFoundError(f"no table {table} in {self.uri}. Ingest a log first: shoal ingest --help")
        return delta

    def _create(self, table: Table) -> DeltaTable:
        spec = TABLES[table]
        return DeltaTable.create(
            self.table_uri(table),
            spec.schema,
            mode="ignore",
            partition_by=list(spec.partition_by) or None,
            configuration=PROPERTIES,
            storage_options=self._options,
        )

    def _gone(self, table: Table, version: int) -> NotFoundError:
        return NotFoundError(
            f"version {version} of table {table} in {self.uri} cannot be read whole: a vacuum has removed what it was "
            "made of. Take a newer version (shoal lake history), or the newest"
        )

    def _prepare(self) -> None:
        if is_local(self.uri):
            Path(self.uri).mkdir(parents=True, exist_ok=True)
