"""Past versions away, but those that are needed; and what is named and can no longer be read, said clearly."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from cluster.delta.lake import Lake
from models.tables import Table
from pipelines.upkeep.named_versions import Named, by_table
from pipelines.upkeep.volumes import Change


@dataclass(frozen=True, slots=True)
class VacuumSummary:
    """`needed`: who kept versions. `broken`: who names a version that cannot be read whole any more."""

    changes: list[Change]
    needed: list[str]
    broken: list[str]
    num_log_files: int


def vacuum_tables(
    lake: Lake,
    tables: Sequence[Table],
    named: Sequence[Named],
    *,
    keep: timedelta,
    safe_age: timedelta,
    break_named: bool = False,
    dry_run: bool = False,
    on_removed: Callable[[Table, int, int], None] | None = None,
) -> VacuumSummary:
    """Vacuum each table. With `break_named` even versions that are needed go, as an erasure demands."""
    needed = [] if break_named else [name for name in named if name.needed]
    changes, num_log_files = [], 0
    broken: dict[Table, set[int]] = {}
    for table in tables:
        kept = by_table(needed, table)
        done = lake.vacuum(
            table,
            keep=keep,
            keep_versions=kept,
            safe_age=safe_age,
            dry_run=dry_run,
            on_removed=(lambda n, of, table=table: on_removed(table, n, of)) if on_removed else None,  # type: ignore[misc]
        )
        num_log_files += done.num_log_files
        changes.append(Change(table, done.before, done.after))
        broken[table] = lake.broken(table, by_table(named, table))
    cannot = [name.who for name in named if any(name.versions.get(t.value, -1) in gone for t, gone in broken.items())]
    return VacuumSummary(changes, [name.who for name in needed], cannot, num_log_files)
