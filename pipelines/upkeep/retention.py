"""How long rows are kept, by table: whole days past the window go in one commit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta

from cluster.delta.lake import Lake
from models.errors import ConfigError
from models.events import UNTIMED_DATE
from models.tables import TABLES, Table
from pipelines.upkeep.volumes import Change, volume_of

_MOMENTS = {Table.QUARANTINE: "quarantined_at"}
"""Tables without days, and the time by which their rows age."""
KEPT_BY_AGE = tuple(table for table in Table if TABLES[table].partition_by or table in _MOMENTS)


def parse_windows(texts: Sequence[str]) -> dict[Table, int]:
    """`["exposures=90"]` → days by table; `ConfigError` for another table or no number of days."""
    known = ", ".join(KEPT_BY_AGE)
    windows = {}
    for text in texts:
        name, _, days = text.partition("=")
        if name not in KEPT_BY_AGE or not days.isdecimal() or int(days) < 1:
            raise ConfigError(
                f"--keep {text!r} is not TABLE=DAYS with one of {known}. For example: --keep exposures=90"
            )
        windows[Table(name)] = int(days)
    if not windows:
        raise ConfigError(f"nothing says how long rows are kept. Give --keep TABLE=DAYS for one of {known}")
    return windows


def retain(
    lake: Lake, windows: Mapping[Table, int], now: datetime | None = None, dry_run: bool = False
) -> list[Change]:
    """Drop what is older than its table's window of whole days before today (UTC). Again, it drops nothing.

    Events without a time have no age and stay. Files go with the next vacuum.
    """
    today = (now or datetime.now(UTC)).date()
    return [
        _retain(lake, table, today - timedelta(days), dry_run) for table, days in windows.items() if lake.exists(table)
    ]


def _retain(lake: Lake, table: Table, first: date, dry_run: bool) -> Change:
    parts = lake.parts(table)
    before, num_rows = volume_of(parts), 0
    if table in _MOMENTS:
        if not dry_run:
            num_rows = lake.drop_rows(table, _MOMENTS[table], datetime(first.year, first.month, first.day, tzinfo=UTC))
        return Change(table, before, volume_of(lake.parts(table)), num_rows)
    old = [part for part in parts if part.day is not None and UNTIMED_DATE != part.day < first]
    if old and not dry_run:
        num_rows = lake.drop_days(table, first)
        return Change(table, before, volume_of(lake.parts(table)), num_rows)
    kept = volume_of(part for part in parts if part not in old)
    return Change(table, before, kept, sum(part.num_rows for part in old))
