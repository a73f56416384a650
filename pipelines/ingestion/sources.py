"""Which files a source holds, and what each of them is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import Any, Literal, get_args

from cluster.storage import filesystem, is_local
from models.errors import ConfigError, InputError, NotFoundError
from models.tables import Table
from pipelines.ingestion.layout import MOVIELENS_ONLY, RECBOLE, SourceFile, forced, generic, movielens

Format = Literal["auto", "movielens", "csv", "jsonl", "parquet", "recbole"]
FORMATS: tuple[Format, ...] = get_args(Format)

_TABLE_NAMES = {
    "users": Table.USERS,
    "items": Table.ITEMS,
    "interactions": Table.INTERACTIONS,
    "events": Table.INTERACTIONS,
    "ratings": Table.INTERACTIONS,
}


@dataclass(frozen=True, slots=True)
class Source:
    """The files to read and, by name, those of the source that hold nothing of ours."""

    files: tuple[SourceFile, ...]
    ignored: tuple[str, ...]


def discover(source: str, format: str = "auto") -> Source:
    """The files of a file, folder, glob or `s3://` address. `InputError` when there is no data in it.

    In a folder, `users.*`, `items.*`, `interactions.*` (or `events.*`, `ratings.*`), and all files in folders of
    these names, go to their table; when it has none of them, every data file holds interactions.
    """
    found = find(source, format)
    if not found.files:
        seen = ", ".join(PurePosixPath(uri).name for uri in found.ignored[:5]) or "nothing"
        raise InputError(
            f"no data in {source}: it holds {seen}. Give CSV, JSON Lines, Parquet, MovieLens or RecBole files, "
            "or name the form with --format."
        )
    return found


def find(source: str, format: str = "auto") -> Source:
    """What `discover` finds, which may be nothing. `NotFoundError` when there is no such file or folder."""
    if format not in FORMATS:
        raise ConfigError(f"format {format!r} is unknown. Use one of: {', '.join(FORMATS)}.")
    root, found = _list(source)
    single = len(found) == 1 and found[0].path == root
    relative = {
        f.path: PurePosixPath(f.path).relative_to(root).parts if f.path.startswith(root + "/") else (_name(f.path),)
        for f in found
    }
    named = not single and any(_table_of(parts) for parts in relative.values())
    is_movielens = format == "movielens" or (
        format == "auto" and any(_name(f.path) in MOVIELENS_ONLY | {"movies.csv"} for f in found)
    )
    scheme = "" if is_local(source) else source.split("://")[0] + "://"
    files, ignored = [], []
    for each in found:
        uri = scheme + each.path
        file = _movielens_file(uri, each.num_bytes) if is_movielens else None
        file = file or _file(uri, relative[each.path], format, each.num_bytes, single, named or is_movielens)
        files.append(replace(file, stamp=each.stamp, modified_s=each.modified_s)) if file else ignored.append(uri)
    return Source(tuple(files), tuple(ignored))


@dataclass(frozen=True, slots=True)
class _Found:
    """A file as its file system lists it."""

    path: str
    num_bytes: int
    stamp: str
    modified_s: float | None


def _list(source: str) -> tuple[str, Sequence[_Found]]:
    """The root and the files under it by path; hidden files and folders are left out."""
    fs, path = filesystem(source)
    fs.invalidate_cache()
    path = path.rstrip("/")
    if any(mark in path for mark in "*?["):
        details = fs.glob(path, detail=True).values()
        root = path[: min(path.index(mark) for mark in "*?[" if mark in path)].rpartition("/")[0]
    elif fs.isdir(path):
        root, details = path, fs.find(path, detail=True).values()
    elif fs.exists(path):
        root, details = path, [fs.info(path)]
    else:
        raise NotFoundError(f"there is no file or folder {source}. Check the path.")
    files = [_found(detail) for detail in details if detail["type"] == "file"]
    return root, sorted((f for f in files if not _hidden(f.path.removeprefix(root))), key=lambda f: f.path)


def _found(detail: Mapping[str, Any]) -> _Found:
    """On a disk a file grows and is replaced in place; an object of S3 is there whole, known by its ETag."""
    name, size, modified_s = str(detail["name"]), int(detail["size"]), detail.get("mtime")
    stamp = detail.get("ETag") or f"{size} {modified_s} {detail.get('ino')}"
    return _Found(name, size, str(stamp), None if "ETag" in detail else modified_s)


def _hidden(relative: str) -> bool:
    return any(part.startswith((".", "_")) for part in PurePosixPath(relative).parts if part != "/")


def _name(path: str) -> str:
    return PurePosixPath(path).name.removesuffix(".gz")


def _table_of(parts: Sequence[str]) -> Table | None:
    """The table that the file's name or its topmost folder names."""
    return _TABLE_NAMES.get(parts[0] if len(parts) > 1 else _name(parts[0]).split(".")[0])


def _movielens_file(uri: str, size: int) -> SourceFile | None:
    known = movielens(_name(uri))
    return SourceFile(uri, *known, size) if known else None


def _file(uri: str, parts: Sequence[str], format: str, size: int, single: bool, named: bool) -> SourceFile | None:
    suffix = PurePosixPath(_name(uri)).suffix
    table = RECBOLE.get(suffix) or _table_of(parts) or (None if named else Table.INTERACTIONS)
    if table is None:
        return None
    layout = generic(suffix, table, "auto" if format == "movielens" else format)
    if layout is None and single:
        layout = forced(format)
    return SourceFile(uri, table, layout, size) if layout else None
