"""What a table has been through, newest first, and who names which of its versions."""

from __future__ import annotations

from collections.abc import Sequence

from cluster.delta.lake import Lake
from cluster.delta.log import Commit
from models.tables import Table
from pipelines.upkeep.named_versions import Named

_COUNTS = {
    "num_added_rows": "rows added",
    "num_deleted_rows": "rows deleted",
    "num_target_rows_inserted": "rows added",
    "num_target_rows_updated": "rows changed",
    "num_added_files": "files added",
    "num_removed_files": "files removed",
    "numFilesAdded": "files added",
    "numFilesRemoved": "files removed",
}


def history_text(lake: Lake, table: Table, named: Sequence[Named], limit: int) -> str:
    """One line a commit: version, UTC time, what was done, who names it."""
    lines = [f"{table.value}, newest version {lake.version(table)}"]
    for commit in lake.history(table)[:limit]:
        who = ", ".join(name.who for name in named if name.versions.get(table.value) == commit.version)
        line = f"{commit.version:>8}  {commit.moment:%Y-%m-%d %H:%M:%S}  {commit.operation:<14}{_counts(commit)}"
        lines.append(f"{line}{'  <- ' if who else ''}{who}".rstrip())
    return "\n".join(lines)


def _counts(commit: Commit) -> str:
    found = [(text, commit.metrics.get(name)) for name, text in _COUNTS.items()]
    return ", ".join(f"{count:,} {text}" for text, count in found if isinstance(count, int) and count)
