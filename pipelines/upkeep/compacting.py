"""Small files into large ones, some days a commit. Never across days: a day's files stay its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import date

from cluster.delta.lake import Lake
from cluster.delta.parts import Part
from models.tables import TABLES, Table
from pipelines.upkeep.volumes import Change, volume_of

_DAYS_A_COMMIT = 100
_BYTES_A_COMMIT = 2 << 30
"""What an interruption or a conflict costs."""


def compact_table(
    lake: Lake, table: Table, target_bytes: int, on_days: Callable[[int, int], None] | None = None
) -> Change:
    """Compact what is in small files; `on_days` is called with (days done, days due).

    Interrupted, it has done whole days; run again, it does the others. A table compacted before is left alone.
    """
    parts = lake.parts(table)
    before = volume_of(parts)
    if not TABLES[table].partition_by:
        if due(parts, target_bytes):
            lake.compact(table, None, target_bytes)
        return Change(table, before, volume_of(lake.parts(table)))
    days, done = due(parts, target_bytes), 0
    for step in _steps(days):
        lake.compact(table, step, target_bytes)
        done += len(step)
        if on_days is not None:
            on_days(done, len(days))
    return Change(table, before, volume_of(lake.parts(table)))


def due(parts: Sequence[Part], target_bytes: int) -> dict[date | None, int]:
    """Days of which two files fit in one of the target size, with the bytes of the day's small files."""
    small: dict[date | None, list[int]] = {}
    for part in parts:
        if part.num_bytes < target_bytes:
            small.setdefault(part.day, []).append(part.num_bytes)
    return {day: sum(sizes) for day, sizes in small.items() if len(sizes) > 1 and sum(sorted(sizes)[:2]) < target_bytes}


def _steps(days: dict[date | None, int]) -> Iterator[list[date]]:
    step: list[date] = []
    num_bytes = 0
    for day in sorted(day for day in days if day is not None):
        if step and (len(step) >= _DAYS_A_COMMIT or num_bytes + days[day] > _BYTES_A_COMMIT):
            yield step
            step, num_bytes = [], 0
        step.append(day)
        num_bytes += days[day]
    if step:
        yield step
