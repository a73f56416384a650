"""Files and bytes of tables before and after, as every upkeep command prints them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from cluster.delta.lake import Lake
from cluster.delta.parts import Part
from cluster.delta.vacuum import Volume
from models.tables import Table


@dataclass(frozen=True, slots=True)
class Change:
    """One table before and after. `num_rows`: rows that went."""

    table: Table
    before: Volume
    after: Volume
    num_rows: int = 0

    def to_dict(self) -> dict[str, object]:
        """Plain data, as `--json` prints it."""
        return {
            "table": self.table.value,
            "rows_dropped": self.num_rows,
            "files_before": self.before.num_files,
            "files_after": self.after.num_files,
            "bytes_before": self.before.num_bytes,
            "bytes_after": self.after.num_bytes,
        }


def volume_of(parts: Iterable[Part]) -> Volume:
    """Files and bytes of a version's parts."""
    sizes = [part.num_bytes for part in parts]
    return Volume(len(sizes), sum(sizes))


def tables_of(lake: Lake, chosen: Sequence[Table]) -> list[Table]:
    """The chosen tables, or all, that are there."""
    return [table for table in chosen or Table if lake.exists(table)]


def as_text(changes: Sequence[Change]) -> str:
    """A table for the terminal."""
    lines = [f"{'table':<18}{'rows dropped':>14}{'files':>10}{'to':>10}{'MB':>12}{'to':>12}"]
    for c in changes:
        lines.append(
            f"{c.table.value:<18}{c.num_rows:>14,}{c.before.num_files:>10,}{c.after.num_files:>10,}"
            f"{c.before.num_bytes / 1e6:>12,.1f}{c.after.num_bytes / 1e6:>12,.1f}"
        )
    return "\n".join(lines if changes else ["the lake holds none of these tables"])
