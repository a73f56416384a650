"""Columns as Arrow read them to columns that JSON can hold: bytes become text, what is no text is set apart."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

import numpy as np
import polars as pl
import pyarrow as pa

from pipelines.ingestion.chunks import ROW, BadRow, record

FOREIGN = "\ufdd0"
"""Stands for a byte that is no text: Unicode guarantees that no text holds this code point."""
_JSON_TYPES = (pl.String, pl.Boolean, pl.Null, pl.Date, pl.Datetime)


def decode(table: pa.Table, rows: pl.Series) -> tuple[pl.DataFrame, list[BadRow]]:
    """The columns and `rows` (their numbers); rows with bytes that are not UTF-8 apart. Empty text becomes null."""
    foreign: dict[int, str] = {}
    columns = {}
    for name in table.column_names:
        column = table[name].combine_chunks()
        if _is_bytes(column.type):
            try:
                column = column.cast(pa.large_string())
            except pa.ArrowInvalid:
                values = column.to_pylist()
                foreign |= {i: name for i, value in enumerate(values) if not _is_utf8(value)}
                column = pa.array([v and v.decode(errors="replace") for v in values], pa.large_string())
        columns[name] = _plain(pl.Series(column))
    return set_apart(pl.DataFrame(columns).with_columns(rows), foreign)


def valid_utf8(text: bytes) -> tuple[bytes, bool]:
    """The text with every byte that is not UTF-8 replaced by `FOREIGN`, and whether there was one."""
    try:
        text.decode()
    except UnicodeDecodeError:
        return re.sub("[\udc80-\udcff]", FOREIGN, text.decode(errors="surrogateescape")).encode(), True
    return text, False


def foreign_rows(frame: pl.DataFrame) -> dict[int, str]:
    """By index, the column of each row that holds `FOREIGN`."""
    found: dict[int, str] = {}
    for name, dtype in frame.schema.items():
        if dtype == pl.String:
            found |= dict.fromkeys(frame[name].str.contains(FOREIGN, literal=True).fill_null(False).arg_true(), name)
    return found


def set_apart(frame: pl.DataFrame, foreign: Mapping[int, str]) -> tuple[pl.DataFrame, list[BadRow]]:
    """The frame without the rows at the indexes of `foreign`, whose columns are not UTF-8, and these as bad rows."""
    if not foreign:
        return frame, []
    at = sorted(foreign)
    found = zip(at, frame[ROW].gather(at), record(frame[at]), strict=True)
    bad = [
        BadRow(row, f"encoding: {foreign[i]} is not UTF-8", text.replace(FOREIGN, "\ufffd")) for i, row, text in found
    ]
    return frame[np.delete(np.arange(len(frame)), at)], bad


def _plain(values: pl.Series) -> pl.Series:
    """Types that JSON and the checks know; any other as text."""
    if values.dtype == pl.String:
        return values.replace("", None)
    if values.dtype.is_numeric() and not values.dtype.is_decimal():
        return values
    if values.dtype in _JSON_TYPES or values.dtype == pl.List(pl.String):
        return values
    if values.dtype.is_nested():
        texts = [
            None if value is None else json.dumps(value, default=str, sort_keys=True) for value in values.to_list()
        ]
        return pl.Series(texts, dtype=pl.String)
    if values.dtype in (pl.Categorical, pl.Enum):
        return values.cast(pl.String).replace("", None)
    return pl.Series([None if value is None else str(value) for value in values], dtype=pl.String)


def _is_bytes(kind: pa.DataType) -> bool:
    tests = (pa.types.is_binary, pa.types.is_large_binary, pa.types.is_fixed_size_binary, pa.types.is_binary_view)
    return any(test(kind) for test in tests)


def _is_utf8(value: bytes | None) -> bool:
    try:
        (value or b"").decode()
    except UnicodeDecodeError:
        return False
    return True
