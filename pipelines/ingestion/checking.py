"""Columns as they were read to rows of the interactions table, checked a whole column at a time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import polars as pl

from models.events import (
    MAX_CLOCK_SKEW,
    MAX_POSITION,
    RATING_RANGE,
    UNTIMED_DATE,
    EventType,
    derive_interaction_id,
)
from models.tables import Table
from pipelines.ingestion import fields
from pipelines.ingestion.chunks import COLUMNS, EXTRA, ROW, record
from pipelines.ingestion.context_column import context_column
from pipelines.ingestion.timestamps import TimeUnit, microseconds

REASON, RECORD = "_reason", "_record"
_US_PER_S = 1_000_000
_TEXTS = ("interaction_id", "user_id", "item_id", "session_id", "recommendation_id", "country", "device")


@dataclass(frozen=True, slots=True)
class Rules:
    """How one source is read: the unit of its times, and what stands for what it does not say.

    `now` is the moment of the ingest: later events are in the future.
    """

    time_unit: TimeUnit
    now: datetime
    untimed: bool = False
    event_type: EventType | None = None


def check_interactions(frame: pl.DataFrame, rules: Rules) -> pl.DataFrame:
    """Columns of the table, `ROW`, and for bad rows `REASON` ("what: why") and `RECORD`."""
    given = set(frame.columns)
    default = rules.event_type or (EventType.RATING if "rating" in given else EventType.VIEW)
    raw = {
        name: frame[name] if name in given else pl.Series(name, [None], pl.String).new_from_index(0, len(frame))
        for name in COLUMNS[Table.INTERACTIONS]
    }
    texts = {name: fields.text(raw[name]) for name in _TEXTS}
    context, bad_context = context_column(raw["context"], frame[EXTRA])
    kinds = fields.text(raw["event_type"]).str.strip_chars().str.to_lowercase().fill_null(default.value)
    parsed = pl.DataFrame(
        {
            **texts,
            "event_type": kinds,
            "us": microseconds(raw["timestamp"], rules.time_unit),
            "raw_time": fields.text(raw["timestamp"]) if raw["timestamp"].dtype == pl.String else raw["timestamp"],
            "rating": _number(raw["rating"], pl.Float64),
            "raw_rating": raw["rating"],
            "position": _number(raw["position"], pl.Int64),
            "raw_position": raw["position"],
            "context": context,
            "raw_context": raw["context"],
            "bad_context": bad_context,
            ROW: frame[ROW],
        }
    ).with_columns(_reason(rules).alias(REASON))
    bad = parsed[REASON].is_not_null().arg_true()
    records = pl.Series(RECORD, [None], pl.String).new_from_index(0, len(frame))
    if len(bad):
        records = records.scatter(bad, record(frame[bad]))
    good = pl.col(REASON).is_null()
    moment = pl.when(good).then(_in_file_order()).cast(pl.Datetime("us", "UTC"))
    return parsed.with_columns(records, _ids(parsed)).select(
        *("interaction_id", "user_id", "item_id", "event_type"),
        moment.alias("timestamp"),
        pl.col("rating").cast(pl.Float32),
        *("session_id", "recommendation_id"),
        pl.when(good).then(pl.col("position")).cast(pl.Int32),
        *("country", "device", "context"),
        moment.dt.date().fill_null(UNTIMED_DATE).alias("date"),
        *(ROW, REASON, RECORD),
    )


def _in_file_order() -> pl.Expr:
    """Moments in µs. Of a user's events in one whole second the n-th of the file, from 0, is taken as n µs later.

    Logs of seconds or days say by their order what came first, and nothing else would tell it later.
    """
    us = pl.col("us")
    place = pl.int_range(pl.len()).over("user_id", "us")
    return us + pl.when(us % _US_PER_S == 0).then(place.clip(upper_bound=_US_PER_S - 1)).otherwise(0)


def _number(values: pl.Series, dtype: type[pl.Float64] | type[pl.Int64]) -> pl.Series:
    if values.dtype == pl.String:
        values = values.str.strip_chars()
    return values.cast(dtype, strict=False)


def _reason(rules: Rules) -> pl.Expr:
    """The first thing that is wrong with a row, or null."""
    low, high = RATING_RANGE
    us, rating, position = pl.col("us"), pl.col("rating"), pl.col("position")
    latest = rules.now + MAX_CLOCK_SKEW
    timed, rated, placed = (pl.col(name).is_not_null() for name in ("raw_time", "raw_rating", "raw_position"))
    missing = pl.lit("timestamp: is missing") if not rules.untimed else pl.lit(None, pl.String)
    checks = [
        fields.bad_id("user_id"),
        fields.bad_id("item_id"),
        pl.when(~pl.col("event_type").is_in([kind.value for kind in EventType])).then(
            pl.format("event_type: '{}' is unknown", fields.shown("event_type"))
        ),
        pl.when(~timed).then(missing),
        pl.when(timed & us.is_null()).then(pl.format("timestamp: '{}' is no time", fields.shown("raw_time"))),
        pl.when(timed & ~us.is_between(0, int(latest.timestamp() * 1e6))).then(
            pl.format(f"timestamp: '{{}}' is not between 1970 and {latest:%Y-%m-%d}", fields.shown("raw_time"))
        ),
        pl.when(rated & rating.is_null()).then(pl.format("rating: '{}' is not a number", fields.shown("raw_rating"))),
        pl.when(rated & (rating.is_nan() | ~rating.is_between(low, high))).then(
            pl.format(f"rating: {{}} is not between {low:g} and {high:g}", rating)
        ),
        pl.when(placed & ~position.is_between(0, MAX_POSITION).fill_null(False)).then(
            pl.format(f"position: '{{}}' is not a whole number from 0 to {MAX_POSITION}", fields.shown("raw_position"))
        ),
        pl.when("bad_context").then(pl.format("context: '{}' is no JSON object", fields.shown("raw_context"))),
        *(fields.too_long(name) for name in _TEXTS if name not in ("user_id", "item_id")),
    ]
    return pl.coalesce(checks)


def _ids(rows: pl.DataFrame) -> pl.Series:
    """The rows' own ids; one without gets the hash of its content, so that the same event comes once."""
    own = rows["interaction_id"]
    if own.null_count() == 0:
        return own
    parts = ("user_id", "item_id", "event_type", "us", "rating")
    # What `derive_interaction_id` joins, joined by column: one hash a row remains.
    joined = rows.select(
        pl.concat_str([pl.col(name).cast(pl.String).fill_null("") for name in parts], separator="\x1f")
    )
    derived = [derive_interaction_id(content) for content in joined.to_series()]
    return own.fill_null(pl.Series(derived, dtype=pl.String))
