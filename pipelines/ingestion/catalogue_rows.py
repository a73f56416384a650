"""Columns as they were read to rows of the items and users tables."""

from __future__ import annotations

from datetime import datetime

import polars as pl

from models.catalogue import ITEMS, USERS
from models.privacy import EMAIL
from models.tables import Table
from pipelines.ingestion import fields
from pipelines.ingestion.checking import REASON, RECORD
from pipelines.ingestion.chunks import COLUMNS, EXTRA, ROW, record
from pipelines.ingestion.emails import SEALED, bad_email
from pipelines.ingestion.timestamps import microseconds

_TITLE_YEAR = r"\((\d{4})\)\s*$"
_DATE_FORMATS = ("%Y-%m-%d", "%d-%b-%Y", "%Y")


def check_items(frame: pl.DataFrame, now: datetime, list_separator: str) -> pl.DataFrame:
    """Columns of the items table, `ROW`, and for bad rows `REASON` and `RECORD`.

    Without a release date the year at the end of a title, "Toy Story (1995)", stands for it.
    """
    raw = _columns(frame, Table.ITEMS)
    parsed = pl.DataFrame(
        {
            "item_id": fields.text(raw["item_id"]),
            "title": fields.text(raw["title"]),
            "categories": fields.names(raw["categories"], list_separator),
            "tags": fields.names(raw["tags"], list_separator),
            "released": raw["released"] if raw["released"].dtype.is_temporal() else _date(fields.text(raw["released"])),
            "raw_released": fields.text(raw["released"]),
            "description": fields.text(raw["description"]),
            "available": fields.truth(raw["available"]),
            "raw_available": fields.text(raw["available"]),
            "expires_at": microseconds(raw["expires_at"], "s").cast(pl.Datetime("us", "UTC")),
            "raw_expires_at": fields.text(raw["expires_at"]),
            "countries": fields.names(raw["countries"], list_separator),
        }
    )
    released, given = pl.col("released").cast(pl.Date), pl.col("raw_released").is_not_null()
    year = pl.col("title").str.extract(_TITLE_YEAR).cast(pl.Int32, strict=False)
    from_title = pl.when(year >= 1).then(pl.date(year, 1, 1))
    reason = pl.coalesce(
        fields.bad_id("item_id"),
        pl.when(given & released.is_null()).then(pl.format("released: '{}' is no date", fields.shown("raw_released"))),
        fields.not_read("available", "neither true nor false"),
        fields.not_read("expires_at", "no time"),
    )
    checked = parsed.with_columns(
        reason.alias(REASON),
        pl.coalesce(released, from_title).alias("released"),
        # No list is everywhere.
        pl.when(pl.col("countries").list.len() > 0).then(pl.col("countries")),
    )
    return _finish(checked, frame, now, ITEMS.names)


def check_users(frame: pl.DataFrame, now: datetime) -> pl.DataFrame:
    """Columns of the users table (addresses not sealed yet), `ROW`, and for bad rows `REASON` and `RECORD`."""
    raw = _columns(frame, Table.USERS)
    parsed = pl.DataFrame(
        {
            **{name: fields.text(raw[name]) for name in ("user_id", "country")},
            "personalization": fields.truth(raw["personalization"]),
            "raw_personalization": fields.text(raw["personalization"]),
        }
    )
    emails = fields.text(raw[EMAIL])
    parsed = parsed.with_columns(emails.alias(SEALED), bad_email(emails).alias("bad_email"))
    reason = pl.coalesce(
        fields.bad_id("user_id"),
        fields.too_long("country"),
        fields.not_read("personalization", "neither true nor false"),
        "bad_email",
    )
    # A bad row goes to quarantine without its address.
    shown = frame.drop(EMAIL, strict=False)
    return _finish(parsed.with_columns(reason.alias(REASON)), shown, now, USERS.names)


def merge_items(rows: pl.DataFrame) -> pl.DataFrame:
    """One row an item from several rows of it: the last value of each column, all tags together."""
    if rows["item_id"].is_unique().all():
        return rows.select(ITEMS.names)
    values = [name for name in ITEMS.names if name not in ("item_id", "tags", "categories")]
    merged = rows.group_by("item_id", maintain_order=True).agg(
        *(pl.col(name).drop_nulls().last() for name in values),
        pl.col("categories").filter(pl.col("categories").list.len() > 0).last().fill_null([]),
        pl.col("tags").list.explode(keep_nulls=False, empty_as_null=False).unique(maintain_order=True),
    )
    return merged.select(ITEMS.names)


def merge_users(rows: pl.DataFrame) -> pl.DataFrame:
    """One row a user: the last one given."""
    return rows.unique("user_id", keep="last", maintain_order=True).select(USERS.names)


def _columns(frame: pl.DataFrame, table: Table) -> dict[str, pl.Series]:
    nothing = pl.Series([None], dtype=pl.String).new_from_index(0, len(frame))
    return {name: frame[name] if name in frame.columns else nothing.rename(name) for name in COLUMNS[table]}


def _date(texts: pl.Series) -> pl.Series:
    parsed = [pl.col(texts.name).str.strip_chars().str.to_date(form, strict=False) for form in _DATE_FORMATS]
    return pl.DataFrame(texts).select(pl.coalesce(parsed).alias(texts.name)).to_series()


def _finish(checked: pl.DataFrame, frame: pl.DataFrame, now: datetime, names: list[str]) -> pl.DataFrame:
    bad = checked[REASON].is_not_null()
    records = pl.Series(RECORD, [None], pl.String).new_from_index(0, len(frame))
    if bad.any():
        records = records.scatter(bad.arg_true(), record(frame.filter(bad)))
    moment = pl.lit(now).cast(pl.Datetime("us", "UTC")).alias("updated_at")
    never = pl.lit(None, pl.Datetime("us", "UTC")).alias("deleted_at")
    full = checked.with_columns(frame[EXTRA].alias("attributes"), frame[ROW], records, moment, never)
    return full.select(*names, ROW, REASON, RECORD)
