"""Which files a source holds, and what each of them is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Literal, get_args

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
    if format not in FORMATS:
        raise ConfigError(f"format {format!r} is unknown. Use one of: {', '.join(FORMATS)}.")
    root, found = _list(source)
    single = len(found) == 1 and found[0][0] == root
    relative = {
        path: PurePosixPath(path).relative_to(root).parts if path.startswith(root + "/") else (_name(path),)
        for path, _ in found
    }
    named = not single and any(_table_of(parts) for parts in relative.values())
    is_movielens = format == "movielens" or (
        format == "auto" and any(_name(p) in MOVIELENS_ONLY | {"movies.csv"} for p, _ in found)
    )
    scheme = "" if is_local(source) else source.split("://")[0] + "://"
    files, ignored = [], []
    for path, size in found:
        uri = scheme + path
        file = _movielens_file(uri, size) if is_movielens else None
        file = file or _file(uri, relative[path], format, size, single, named or is_movielens)
        files.append(file) if file else ignored.append(uri)
    if not files:
        seen = ", ".join(PurePosixPath(uri).name for uri in ignored[:5]) or "nothing"
        raise InputError(
            f"no data in {source}: it holds {seen}. Give CSV, JSON Lines, Parquet, MovieLens or RecBole files, "
            "or name the form with --format."
        )
    return Source(tuple(files), tuple(ignored))


def _list(source: str) -> tuple[str, Sequence[tuple[str, int]]]:
    """The root and (path, bytes) of each file under it; hidden files and folders are left out."""
    fs, path = filesystem(source)
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
    files = [(str(d["name"]), int(d["size"])) for d in details if d["type"] == "file"]
    return root, sorted(f for f in files if not _hidden(f[0].removeprefix(root)))


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
