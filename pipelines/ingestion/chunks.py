"""What a reader hands over: columns under our names, and beside them what was no row at all."""

from __future__ import annotations

from dataclasses import dataclass, field

import polars as pl

from models.privacy import EMAIL
from models.quarantine import MAX_RECORD_CHARS
from models.tables import Table
from pipelines.ingestion.emails import with_email_named
from pipelines.ingestion.layout import Layout

ROW = "_row"
EXTRA = "_extra"
"""Column of the JSON objects that hold a row's columns without a name of ours; null where there are none."""

_INTERACTION_COLUMNS = (
    "interaction_id",
    "user_id",
    "item_id",
    "event_type",
    "timestamp",
    "rating",
    "session_id",
    "recommendation_id",
    "position",
    "country",
    "device",
    "context",
)
_ITEM_COLUMNS = (
    "item_id",
    "title",
    "categories",
    "tags",
    "released",
    "description",
    "available",
    "expires_at",
    "countries",
)
COLUMNS: dict[Table, tuple[str, ...]] = {
    Table.INTERACTIONS: _INTERACTION_COLUMNS,
    Table.ITEMS: _ITEM_COLUMNS,
    Table.USERS: ("user_id", "country", "personalization", EMAIL),
}
"""The columns that a source may give, by table."""


@dataclass(frozen=True, slots=True)
class BadRow:
    """A record that is no row. `row`: 1-based within its split; None when a file, or the rest of one, is unreadable.

    `num_rows` counts the rows lost with it: more than 1 for a row group.
    """

    row: int | None
    reason: str
    record: str | None = None
    num_rows: int = 1


@dataclass(frozen=True, slots=True)
class Chunk:
    """`frame`: some of `COLUMNS`, of any type, `EXTRA`, and `ROW`, the 1-based row within the split."""

    frame: pl.DataFrame
    bad: list[BadRow] = field(default_factory=list)


def to_columns(raw: pl.DataFrame, table: Table, layout: Layout) -> pl.DataFrame:
    """A frame with the file's own names (and `ROW`) in the form of `Chunk.frame`."""
    known, flags = COLUMNS[table], layout.flags
    frame = raw.rename({theirs: ours for theirs, ours in layout.renames.items() if theirs in raw.columns})
    frame = frame.drop(layout.ignored & set(frame.columns))
    if table is Table.USERS:
        frame = with_email_named(frame)
    if flags:
        named = [pl.when(pl.col(name).cast(pl.String) == "1").then(pl.lit(name)) for name in flags]
        frame = frame.with_columns(pl.concat_list(named).list.drop_nulls().alias("categories")).drop(flags)
    extra = sorted(name for name in frame.columns if name not in (*known, ROW, "date"))
    given = [name for name in known if name in frame.columns]
    if not extra:
        return frame.select(*given, pl.lit(None, pl.String).alias(EXTRA), ROW)
    any_given = pl.any_horizontal(pl.col(extra).is_not_null())
    packed = pl.when(any_given).then(pl.struct(extra).struct.json_encode())
    return frame.select(*given, packed.alias(EXTRA), ROW)


def record(frame: pl.DataFrame) -> pl.Series:
    """Each row as one JSON object, cut to `MAX_RECORD_CHARS`."""
    cut = [
        pl.col(name).str.slice(0, MAX_RECORD_CHARS) if dtype == pl.String else pl.col(name)
        for name, dtype in frame.schema.items()
        if name != ROW
    ]
    packed = frame.select(pl.struct(cut).struct.json_encode().str.slice(0, MAX_RECORD_CHARS).alias("record"))
    return packed.to_series()
