"""Upkeep of a lake's tables: small files into large ones, old days and old versions away, a user's rows erased.

Each of these is one commit that conflicts with whatever else rewrites the same files, and then begins anew; appends
never conflict with it.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import date, datetime, timedelta

from cluster.delta import log, vacuum
from cluster.delta.commit import PATIENT_ATTEMPTS, retried
from cluster.delta.log import PROPERTIES, Arrival, Commit
from cluster.delta.tables import LakeTables
from cluster.delta.vacuum import KEEP, SAFE_AGE, OnRemoved, Vacuumed
from cluster.delta.writing import writing
from models.errors import NotFoundError
from models.events import UNTIMED_DATE
from models.tables import Table

TARGET_BYTES = 128 << 20
"""Size of a file that compaction aims at."""


class LakeUpkeep(LakeTables):
    """What keeps tables fast and small. Safe to interrupt and to repeat. `LakeError` where it may not be written."""

    def compact(self, table: Table, days: Collection[date] | None = None, target_bytes: int = TARGET_BYTES) -> None:
        """Make few files of many small ones, each `date` partition (only those of `days`) by itself."""
        chosen = [("date", "in", [day.isoformat() for day in sorted(days)])] if days is not None else None
        with writing(self.table_uri(table)):
            retried(
                lambda: self._must_open(table).optimize.compact(partition_filters=chosen, target_size=target_bytes),
                PATIENT_ATTEMPTS,
            )

    def drop_days(self, table: Table, before: date) -> int:
        """Drop whole `date` partitions; the number of their rows. Events without a time stay."""
        return self._delete(table, f"date < DATE '{before.isoformat()}' AND date <> DATE '{UNTIMED_DATE.isoformat()}'")

    def drop_rows(self, table: Table, column: str, before: datetime) -> int:
        """Drop the rows of a table without days whose `column` (a time) is before that; their number."""
        return self._delete(table, f"{column} < TIMESTAMP '{before.isoformat()}'")

    def erase(self, table: Table, column: str, values: Collection[str]) -> int:
        """Delete the rows whose `column` (of text) is one of `values`; their number. One pass, one commit.

        The files that hold them are rewritten. Past versions keep the rows until `vacuum` removes these versions.
        """
        delta = self._open(table)
        if not values or delta is None or column not in {field.name for field in delta.schema().fields}:
            return 0
        listed = ", ".join("'" + value.replace("'", "''") + "'" for value in sorted(values))
        return self._delete(table, f"{column} IN ({listed})")

    def vacuum(
        self,
        table: Table,
        *,
        keep: timedelta = KEEP,
        keep_versions: Collection[int] = (),
        safe_age: timedelta = SAFE_AGE,
        dry_run: bool = False,
        on_removed: OnRemoved | None = None,
    ) -> Vacuumed:
        """Remove files of versions that were replaced more than `keep` ago, and files that no commit names.

        With `keep` zero every past version goes but `keep_versions`. Files that no commit names go when they are older
        than `safe_age`, and the log is never cut nearer than that: a running ingest loses nothing.
        """
        with writing(self.table_uri(table)):
            return self._vacuumed(table, keep, keep_versions, safe_age, dry_run, on_removed)

    def _vacuumed(
        self,
        table: Table,
        keep: timedelta,
        keep_versions: Collection[int],
        safe_age: timedelta,
        dry_run: bool,
        on_removed: OnRemoved | None,
    ) -> Vacuumed:
        delta = self._must_open(table)
        if not dry_run and not PROPERTIES.items() <= delta.metadata().configuration.items():  # made by an older Shoal
            retried(lambda: self._must_open(table).alter.set_table_properties(PROPERTIES), PATIENT_ATTEMPTS)
            delta = self._must_open(table)
        return vacuum.vacuum(
            delta,
            self.table_uri(table),
            lambda version: self._must_open(table, version),
            keep=keep,
            safe_age=safe_age,
            keep_versions=keep_versions,
            dry_run=dry_run,
            on_removed=on_removed,
        )

    def broken(self, table: Table, versions: Collection[int]) -> set[int]:
        """Those of the versions that cannot be read whole any more, because a vacuum has removed files of theirs."""
        newest = self._newest(table)
        if newest is None or not versions:
            return set(versions)
        found = {version: self._paths(table, version) for version in versions}
        there = set(vacuum.paths(newest))
        if any(files is not None and not files <= there for files in found.values()):
            there.update(file.path for file in vacuum.stored_files(self.table_uri(table)))
        return {version for version, files in found.items() if files is None or not files <= there}

    def check_readable(self) -> None:
        """`NotFoundError` when a version that this lake is pinned to cannot be read whole any more."""
        for name, version in self.versions.items():
            if version >= 0 and self.broken(Table(name), [version]):
                raise self._gone(Table(name), version)

    def history(self, table: Table) -> list[Commit]:
        """Commits that the table's log still holds, newest first."""
        version = self.version(table)
        return log.commits(self.table_uri(table), version) if version >= 0 else []

    def arrivals(self, table: Table, since: datetime) -> list[Arrival]:
        """What appends have brought since, from the log alone."""
        return log.arrivals(self.table_uri(table), self.history(table), since)

    def _paths(self, table: Table, version: int) -> set[str] | None:
        """Files of a version; None when the log does not give it any more."""
        try:
            return set(vacuum.paths(self._must_open(table, version)))
        except NotFoundError:
            return None

    def _delete(self, table: Table, where: str) -> int:
        if not self.exists(table):
            return 0
        with writing(self.table_uri(table)):
            metrics = retried(lambda: self._must_open(table).delete(where), PATIENT_ATTEMPTS)
        return int(metrics["num_deleted_rows"])
