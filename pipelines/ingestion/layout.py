"""How the rows of one file are written: separator, names, encoding, and what the columns are called with us."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from models.tables import Table

Form = Literal["delimited", "jsonl", "parquet"]

_ML100K_GENRES = (
    "unknown", "Action", "Adventure", "Animation", "Children's", "Comedy", "Crime", "Documentary", "Drama", "Fantasy",
    "Film-Noir", "Horror", "Musical", "Mystery", "Romance", "Sci-Fi", "Thriller", "War", "Western",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Layout:
    """`names` None: the file's first line holds them. `renames`: their name → ours, for the columns there are.

    `flags`: columns of 0 and 1 whose names are categories. `ignored`: columns that say nothing of the row's subject.
    `list_separator` divides categories and tags. `quoted`: a field may stand in double quotes.
    `typed_header`: names are `name:type` (RecBole).
    """

    form: Form
    separator: str = ","
    names: tuple[str, ...] | None = None
    encoding: Literal["utf-8", "latin-1"] = "utf-8"
    renames: Mapping[str, str] = field(default_factory=dict)
    flags: tuple[str, ...] = ()
    ignored: frozenset[str] = frozenset()
    list_separator: str = "|"
    quoted: bool = True
    typed_header: bool = False


@dataclass(frozen=True, slots=True)
class SourceFile:
    """One file, the table its rows belong to, its layout and size; `names` once its header is read.

    `stamp` changes with the content. `modified_s`: seconds since 1970; None where a file is there whole or not at all.
    """

    uri: str
    table: Table
    layout: Layout
    num_bytes: int
    names: tuple[str, ...] = ()
    stamp: str = field(default="", compare=False)
    modified_s: float | None = field(default=None, compare=False)


def multi_line(file: SourceFile) -> bool:
    """True when a quoted field may hold line breaks: descriptions do, whereas an event is always one line."""
    return file.layout.form == "delimited" and file.layout.quoted and file.table is not Table.INTERACTIONS


def _fixed(separator: str, *names: str, encoding: Literal["utf-8", "latin-1"] = "latin-1", **options: object) -> Layout:
    return Layout("delimited", separator, names, encoding, quoted=False, **options)  # type: ignore[arg-type]


_ALIASES = {
    "genres": "categories",
    "genre": "categories",
    "category": "categories",
    "release_date": "released",
    "name": "title",
}
"""Names that items files use often enough to be taken without `--map`."""
_ML_CSV = {"userId": "user_id", "movieId": "item_id"}
_RECBOLE_NAMES = {"class": "categories", "genre": "categories", "movie_title": "title"}

_MOVIELENS: dict[str, tuple[Table, Layout]] = {
    "ratings.dat": (Table.INTERACTIONS, _fixed("::", "user_id", "item_id", "rating", "timestamp")),
    "movies.dat": (Table.ITEMS, _fixed("::", "item_id", "title", "categories")),
    "users.dat": (Table.USERS, _fixed("::", "user_id", "gender", "age", "occupation", "zip")),
    "tags.dat": (
        Table.ITEMS,
        _fixed("::", "user_id", "item_id", "tags", "timestamp", ignored=frozenset({"user_id", "timestamp"})),
    ),
    "u.data": (Table.INTERACTIONS, _fixed("\t", "user_id", "item_id", "rating", "timestamp")),
    "u.item": (
        Table.ITEMS,
        _fixed("|", "item_id", "title", "released", "video_released", "url", *_ML100K_GENRES, flags=_ML100K_GENRES),
    ),
    "u.user": (Table.USERS, _fixed("|", "user_id", "age", "gender", "occupation", "zip")),
    "ratings.csv": (Table.INTERACTIONS, Layout("delimited", renames=_ML_CSV)),
    "movies.csv": (Table.ITEMS, Layout("delimited", renames={**_ML_CSV, "genres": "categories"})),
    "tags.csv": (
        Table.ITEMS,
        Layout("delimited", renames={**_ML_CSV, "tag": "tags"}, ignored=frozenset({"user_id", "timestamp"})),
    ),
}
MOVIELENS_ONLY = frozenset({"ratings.dat", "movies.dat", "users.dat", "tags.dat", "u.data", "u.item", "u.user"})
"""Names that no other format uses, so that a single one of them is recognised."""

RECBOLE: dict[str, Table] = {".inter": Table.INTERACTIONS, ".item": Table.ITEMS, ".user": Table.USERS}
_RECBOLE_LAYOUT = Layout("delimited", "\t", renames=_RECBOLE_NAMES, list_separator=" ", quoted=False, typed_header=True)
_GENERIC: dict[str, Layout] = {
    ".csv": Layout("delimited"),
    ".tsv": Layout("delimited", "\t"),
    ".jsonl": Layout("jsonl"),
    ".ndjson": Layout("jsonl"),
    ".json": Layout("jsonl"),
    ".parquet": Layout("parquet"),
}
_SUFFIXES: dict[str, frozenset[str]] = {
    "csv": frozenset({".csv", ".tsv"}),
    "jsonl": frozenset({".jsonl", ".ndjson", ".json"}),
    "parquet": frozenset({".parquet"}),
}


def movielens(name: str) -> tuple[Table, Layout] | None:
    """Table and layout of a MovieLens file by its name; None for a file that holds no rows of ours."""
    return _MOVIELENS.get(name)


def generic(suffix: str, table: Table, format: str = "auto") -> Layout | None:
    """Layout of a file by its suffix, if it is one of `format`'s; None for anything else."""
    if suffix in RECBOLE:
        return _RECBOLE_LAYOUT if format in ("auto", "recbole") else None
    if format == "recbole" or (format in _SUFFIXES and suffix not in _SUFFIXES[format]):
        return None
    layout = _GENERIC.get(suffix)
    if layout is None or table is not Table.ITEMS:
        return layout
    return Layout(layout.form, layout.separator, renames=_ALIASES)


def forced(format: str) -> Layout | None:
    """Layout of a file that the caller says is of `format`, whatever its name; None where the name must tell."""
    known = {"csv": ".csv", "jsonl": ".jsonl", "parquet": ".parquet"}
    return _RECBOLE_LAYOUT if format == "recbole" else _GENERIC.get(known.get(format, ""))
