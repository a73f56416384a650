"""Columns of any type to text, numbers and lists, and what is wrong with an id. Whole columns at a time."""

from __future__ import annotations

import json

import polars as pl

from models.events import MAX_ID_BYTES

_NO_GENRE = "(no genres listed)"
_SHOWN_CHARS = 40
_TRUTHS = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}


def text(values: pl.Series) -> pl.Series:
    """As text; whole floats as whole numbers (an id column with a gap in it comes as floats); empty is null."""
    if values.dtype == pl.List(pl.String):
        values = pl.Series(values.name, [v if v is None else json.dumps(v) for v in values.to_list()], dtype=pl.String)
    if values.dtype.is_float():
        whole = values.cast(pl.Int64, strict=False)
        if (whole.cast(values.dtype) == values).all():
            values = whole
    return values.cast(pl.String).replace("", None)


def names(values: pl.Series, separator: str) -> pl.Series:
    """Lists of names from lists, JSON arrays or text divided by `separator`. Nothing is an empty list."""
    if values.dtype == pl.List(pl.String):
        return values.fill_null([])
    parsed = [_names(value, separator) for value in text(values)]
    return pl.Series(values.name, parsed, dtype=pl.List(pl.String))


def truth(values: pl.Series) -> pl.Series:
    """True or false from truth values, 1 and 0, or words; null where it is none of them."""
    if values.dtype == pl.Boolean:
        return values
    words = text(values).str.strip_chars().str.to_lowercase()
    return words.replace_strict(_TRUTHS, default=None, return_dtype=pl.Boolean)


def not_read(name: str, what: str) -> pl.Expr:
    """What is wrong where `raw_<name>` was given and the column `name` is null all the same, or null."""
    bad = pl.col(f"raw_{name}").is_not_null() & pl.col(name).is_null()
    return pl.when(bad).then(pl.format(f"{name}: '{{}}' is {what}", shown(f"raw_{name}")))


def bad_id(name: str) -> pl.Expr:
    """What is wrong with the id in the text column `name`, or null."""
    return pl.when(pl.col(name).is_null()).then(pl.lit(f"{name}: is missing")).otherwise(too_long(name))


def too_long(name: str) -> pl.Expr:
    """What is wrong with an optional text that has an id's limits, or null."""
    size = pl.col(name).str.len_bytes()
    return pl.when(size > MAX_ID_BYTES).then(
        pl.format(f"{name}: has {{}} bytes, at most {MAX_ID_BYTES} are allowed", size)
    )


def shown(name: str) -> pl.Expr:
    """The beginning of a value, for a reason."""
    return pl.col(name).cast(pl.String).str.slice(0, _SHOWN_CHARS)


def _names(value: str | None, separator: str) -> list[str]:
    if value is None or value == _NO_GENRE:
        return []
    if value.startswith("["):
        try:
            return [name if isinstance(name, str) else json.dumps(name) for name in json.loads(value)]
        except ValueError:
            pass  # a name that begins with a bracket
    return [name.strip() for name in value.split(separator) if name.strip()]
