"""What an ingest did, in numbers."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from models.tables import Table


@dataclass(frozen=True, slots=True)
class TableSummary:
    """Rows of one table: `read` = `new` + `known` + `bad`.

    new: added, or (users and items) changed. known: in the lake already, or a second time in the source.
    bad: by what was wrong with them, as the quarantine's reasons begin. quarantined: not in quarantine before.
    """

    read: int
    new: int
    known: int
    bad: dict[str, int] = field(default_factory=dict)
    quarantined: int = 0

    @property
    def num_bad(self) -> int:
        """Bad rows of every kind."""
        return sum(self.bad.values())


@dataclass(frozen=True, slots=True)
class IngestSummary:
    """Counts by table. `ignored`: files of the source that hold nothing of ours."""

    tables: dict[Table, TableSummary]
    num_files: int
    num_unreadable_files: int
    ignored: tuple[str, ...]
    seconds: float

    @property
    def num_read(self) -> int:
        """Rows of all tables."""
        return sum(table.read for table in self.tables.values())

    @property
    def num_new(self) -> int:
        """Rows of all tables that changed the lake."""
        return sum(table.new for table in self.tables.values())

    @property
    def num_bad(self) -> int:
        """Bad rows of all tables."""
        return sum(table.num_bad for table in self.tables.values())

    @property
    def bad_fraction(self) -> float:
        """Share of bad rows, or of unreadable files where that is more: nobody knows how many rows they had."""
        rows = self.num_bad / self.num_read if self.num_read else 0.0
        return max(rows, self.num_unreadable_files / self.num_files)

    def to_dict(self) -> dict[str, Any]:
        """Plain data, as `--json` prints it."""
        tables = {table.value: {**asdict(counts), "num_bad": counts.num_bad} for table, counts in self.tables.items()}
        return {**asdict(self), "tables": tables, "bad_fraction": self.bad_fraction}

    def __str__(self) -> str:
        lines = [f"{'table':<14}{'read':>12}{'new':>12}{'known':>12}{'bad':>10}"]
        for name, t in self.tables.items():
            lines.append(f"{name:<14}{t.read:>12,}{t.new:>12,}{t.known:>12,}{t.num_bad:>10,}")
            lines += [f"    {kind}: {num:,} bad" for kind, num in sorted(t.bad.items(), key=lambda item: -item[1])]
        if self.num_unreadable_files:
            lines.append(f"{self.num_unreadable_files} of {self.num_files} files not readable to their end")
        return "\n".join([*lines, f"{self.num_files} files, {self.num_read:,} rows in {self.seconds:.1f} s"])
