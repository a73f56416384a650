"""What a table's log says of its past: commits, what arrived when, and the log's own files."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any
from urllib.parse import unquote

from cluster.storage import filesystem, join

LOG_FOLDER = "_delta_log"
PROPERTIES = {
    # Versions that bundles and runs name outlive a month; `Lake.vacuum` shortens the log.
    "delta.enableExpiredLogCleanup": "false",
    # Statistics would put the smallest and the largest user id of each file into the log, where no erasure finds them.
    "delta.dataSkippingNumIndexedCols": "0",
}
"""Of every table we make."""

_FILES_AT_ONCE = 200
_LOG_FILE = re.compile(r"^(\d{20})\.(?:json|crc|checkpoint\..*parquet|checkpoint\.parquet)$")


@dataclass(frozen=True, slots=True)
class Commit:
    """One version of a table. `metrics` are as the writer of the commit counted them."""

    version: int
    moment: datetime
    operation: str
    metrics: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Arrival:
    """Rows that one append brought for one `date` partition (None where a table has none)."""

    moment: datetime
    day: date | None
    num_rows: int


def commits(table_uri: str, newest: int) -> list[Commit]:
    """Commits up to version `newest` that the log still holds, newest first.

    Read by file name: `DeltaTable.history` counts back from a version that another writer may have passed meanwhile.
    """
    files = {version: info for name, info in _files(table_uri).items() if (version := _version(name, ".json")) >= 0}
    versions = sorted((version for version in files if version <= newest), reverse=True)
    found = []
    for version, lines in _lines(table_uri, versions):
        info: dict[str, Any] = next(
            (action["commitInfo"] for action in map(json.loads, lines) if "commitInfo" in action), {}
        )
        moment = info.get("timestamp")
        found.append(
            Commit(
                version,
                written(files[version]) if moment is None else datetime.fromtimestamp(moment / 1000, UTC),
                str(info.get("operation", "")),
                info.get("operationMetrics") or {},
            )
        )
    return found


def written(info: dict[str, Any]) -> datetime:
    """When a file was last written, by what its file system says of it."""
    moment = info.get("LastModified")
    return moment if isinstance(moment, datetime) else datetime.fromtimestamp(info["mtime"], UTC)


def version_at(known: Sequence[Commit], moment: datetime) -> int:
    """The version that was newest at `moment`; the oldest known one when all came later. `known`: newest first."""
    return next((commit.version for commit in known if commit.moment <= moment), known[-1].version)


def removed_paths(table_uri: str, known: Sequence[Commit], since: datetime, until: datetime) -> set[str]:
    """Files that commits from `since` to `until` took out of the table."""
    chosen = [commit.version for commit in known if since <= commit.moment <= until and commit.operation != "WRITE"]
    return {unquote(remove["path"]) for _, remove in _actions(table_uri, chosen, "remove")}


def arrivals(table_uri: str, known: Sequence[Commit], since: datetime) -> list[Arrival]:
    """What appends have brought since; what a compaction or an erasure rewrote did not arrive then."""
    chosen = {commit.version: commit.moment for commit in known if commit.moment >= since}
    appended = [commit.version for commit in known if commit.version in chosen and commit.operation == "WRITE"]
    found = []
    for version, add in _actions(table_uri, appended, "add"):
        day = add["partitionValues"].get("date")
        rows = json.loads(add.get("stats") or "{}").get("numRecords", 0)
        found.append(Arrival(chosen[version], date.fromisoformat(day) if day else None, rows))
    return found


def has_checkpoint(table_uri: str, version: int) -> bool:
    """True when the log gives that version without any commit before it."""
    return any("checkpoint" in name and _version(name) == version for name in _files(table_uri))


def shorten(table_uri: str, oldest: int) -> int:
    """Remove the log before the newest checkpoint that still gives version `oldest`; how many files that were.

    A writer whose snapshot is older than that would commit into a gap, so `oldest` must be older than any write lasts.
    """
    fs, folder = filesystem(join(table_uri, LOG_FOLDER))
    files = {name: version for name in sorted(_files(table_uri)) if (version := _version(name)) >= 0}
    points = [version for name, version in files.items() if "checkpoint" in name and version <= oldest]
    gone = [name for name, version in files.items() if points and version < max(points)]
    for name in gone:  # oldest first: interrupted, it leaves a log without a gap
        fs.rm_file(f"{folder}/{name}")
    return len(gone)


def _files(table_uri: str) -> dict[str, dict[str, Any]]:
    fs, folder = filesystem(join(table_uri, LOG_FOLDER))
    fs.invalidate_cache(folder)
    return {str(info["name"]).rsplit("/", 1)[-1]: info for info in fs.ls(folder, detail=True)}


def _version(name: str, suffix: str = "") -> int:
    """The version that a file of the log belongs to; -1 when it belongs to none."""
    match = _LOG_FILE.match(name)
    return int(match[1]) if match and name.endswith(suffix) else -1


def _lines(table_uri: str, versions: Sequence[int]) -> Iterator[tuple[int, list[bytes]]]:
    """The lines of each of these commits, of many files at once; another vacuum may have removed the oldest."""
    fs, folder = filesystem(join(table_uri, LOG_FOLDER))
    for start in range(0, len(versions), _FILES_AT_ONCE):
        paths = {f"{folder}/{version:020d}.json": version for version in versions[start : start + _FILES_AT_ONCE]}
        found = fs.cat(list(paths), on_error="omit")
        for path, version in paths.items():
            if path in found:
                yield version, found[path].splitlines()


def _actions(table_uri: str, versions: Sequence[int], kind: str) -> Iterator[tuple[int, dict[str, Any]]]:
    for version, lines in _lines(table_uri, versions):
        yield from ((version, action[kind]) for action in map(json.loads, lines) if kind in action)
