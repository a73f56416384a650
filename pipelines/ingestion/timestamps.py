"""Times in many spellings to UTC microseconds. The unit of numbers is decided once a source, never row by row."""

from __future__ import annotations

from typing import Literal, get_args

import polars as pl

TimeUnit = Literal["s", "ms", "us"]
TIME_UNITS: tuple[TimeUnit, ...] = get_args(TimeUnit)

_FACTOR: dict[TimeUnit, int] = {"s": 1_000_000, "ms": 1_000, "us": 1}
_FAR_US = 2.0**62
"""Numbers too large for microseconds become this far future, which the checks refuse."""
_NAIVE = ("%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M")
_ZONED = ("%Y-%m-%dT%H:%M:%S%.f%#z", "%Y-%m-%d %H:%M:%S%.f%#z")


def guess_unit(values: pl.Series) -> TimeUnit | None:
    """The unit under which the median of the numbers lies between 1966 and 5138; None when there are no numbers."""
    if values.dtype.is_temporal():
        return None
    numbers = values.cast(pl.Float64, strict=False)
    median = numbers.abs().median()
    if not isinstance(median, float):
        return None
    if median < 1e11:
        return "s"
    return "ms" if median < 1e14 else "us"


def microseconds(values: pl.Series, unit: TimeUnit) -> pl.Series:
    """Microseconds since the epoch [Int64]; null where the value is no time. A time without a zone is UTC."""
    if values.dtype.is_temporal():
        return values.cast(pl.Datetime("us"), strict=False).cast(pl.Int64)
    if values.dtype.is_numeric():
        return _scaled(values, unit)
    text = values.cast(pl.String).str.strip_chars()
    done = _scaled(text, unit)
    for form in (*_NAIVE, *_ZONED, "%Y-%m-%d"):
        left = done.is_null() & text.is_not_null()
        if not left.any():
            break
        # The parser without zones is ten times as fast; most logs write UTC as Z.
        rest = text.filter(left)
        rest = rest if form in _ZONED else rest.str.strip_suffix("Z")
        parsed = rest.str.to_datetime(form, time_unit="us", strict=False).dt.timestamp("us")
        if parsed.null_count() < len(parsed):
            done = done.scatter(left.arg_true(), parsed)
    return done


def _scaled(values: pl.Series, unit: TimeUnit) -> pl.Series:
    """Whole numbers exactly, others rounded."""
    whole = values.cast(pl.Int64, strict=False) if not values.dtype.is_float() else None
    limit = int(_FAR_US) // _FACTOR[unit]
    if whole is not None and whole.null_count() == values.null_count():
        return whole.clip(-limit, limit) * _FACTOR[unit]
    numbers = values.cast(pl.Float64, strict=False).fill_nan(None) * _FACTOR[unit]
    rounded = numbers.clip(-_FAR_US, _FAR_US).round().cast(pl.Int64)
    return rounded if whole is None else (whole.clip(-limit, limit) * _FACTOR[unit]).fill_null(rounded)
