"""Vacuum: which files of a table nobody needs any more, and their removal.

A file goes when it is part of no version that is kept, and either

- it lay there before the kept time by more than the safe age: a past version's, or one that a crashed ingest left; or
- the log says that a commit took it out before the kept time: so a vacuum that keeps nothing takes young files too.

What a running ingest has written and not committed yet is younger than the safe age, and no commit took it out.
Kept are the newest version, every version of the kept time, and those named.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from deltalake import DeltaTable

from cluster.delta.log import commits, has_checkpoint, removed_paths, shorten, version_at, written
from cluster.storage import filesystem, is_local

KEEP = timedelta(days=7)
SAFE_AGE = timedelta(days=1)
"""Longer than any ingest, upsert or compaction takes from its first file to its commit."""
_FILES_A_STEP = 500


@dataclass(frozen=True, slots=True)
class Volume:
    """Files and their bytes."""

    num_files: int = 0
    num_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Vacuumed:
    """Data files that lay in the table's folder, those that are left, and the log files removed."""

    before: Volume
    after: Volume
    num_log_files: int


@dataclass(frozen=True, slots=True)
class Stored:
    """A data file as it lies in the table's folder, in the log or not."""

    path: str
    num_bytes: int
    written: datetime


OnRemoved = Callable[[int, int], None]
"""Called with (files removed so far, files to remove)."""


def vacuum(
    delta: DeltaTable,
    uri: str,
    open_at: Callable[[int], DeltaTable],
    *,
    keep: timedelta,
    safe_age: timedelta,
    keep_versions: Collection[int],
    dry_run: bool,
    on_removed: OnRemoved | None,
) -> Vacuumed:
    """Remove what is not needed; `keep_versions` that the log no longer gives are passed over."""
    now = datetime.now(UTC)
    known = commits(uri, delta.version())
    stored = stored_files(uri)
    oldest = version_at(known, now - keep)
    kept = {oldest, *(version for version in keep_versions if known[-1].version <= version <= known[0].version)}
    needed = set(paths(delta)).union(*(paths(open_at(version)) for version in kept))
    taken_out = removed_paths(uri, known, now - keep - safe_age, now - keep)
    unneeded = [
        file
        for file in stored
        if file.path not in needed and (file.written < now - keep - safe_age or file.path in taken_out)
    ]
    num_log_files = 0
    if not dry_run:
        _remove(uri, unneeded, on_removed)
        if not has_checkpoint(uri, delta.version()):  # so that a later vacuum can cut the log behind it
            delta.create_checkpoint()
        num_log_files = shorten(uri, min(kept | {version_at(known, now - safe_age)}))
    before, gone = volume(stored), volume(unneeded)
    after = Volume(before.num_files - gone.num_files, before.num_bytes - gone.num_bytes)
    return Vacuumed(before, after, num_log_files)


def paths(delta: DeltaTable) -> list[str]:
    """Files of a version, relative to the table."""
    return [str(path) for path in delta.get_add_actions(flatten=True)["path"].to_pylist()]


def stored_files(uri: str) -> list[Stored]:
    """Every data file in the table's folder; its log and what begins with `_` or `.` are not."""
    fs, root = filesystem(uri)
    fs.invalidate_cache(root)
    root = root.rstrip("/") + "/"
    found = []
    for path, info in fs.find(root, detail=True).items():
        relative = str(path).removeprefix(root)
        if not any(part.startswith(("_", ".")) for part in relative.split("/")):
            found.append(Stored(relative, int(info["size"]), written(info)))
    return found


def volume(files: Sequence[Stored]) -> Volume:
    """How much they are together."""
    return Volume(len(files), sum(file.num_bytes for file in files))


def _remove(uri: str, files: Sequence[Stored], on_removed: OnRemoved | None) -> None:
    """In any order, and again after an interruption: none of them is a piece of a version that is kept."""
    fs, root = filesystem(uri)
    for start in range(0, len(files), _FILES_A_STEP):
        step = [f"{root.rstrip('/')}/{file.path}" for file in files[start : start + _FILES_A_STEP]]
        if is_local(uri):
            for path in step:
                Path(path).unlink(missing_ok=True)
        else:
            fs.rm(step)
        if on_removed is not None:
            on_removed(start + len(step), len(files))
