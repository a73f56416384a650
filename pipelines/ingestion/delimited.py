"""Rows of delimited text (CSV, `::`, tabs, bars) by Arrow's reader: ragged rows and foreign bytes set apart."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from functools import cache
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.csv as pa_csv

from models.errors import SchemaError
from pipelines.ingestion.chunks import ROW, BadRow, Chunk, to_columns
from pipelines.ingestion.decoding import FOREIGN, foreign_rows, set_apart, valid_utf8
from pipelines.ingestion.layout import SourceFile, multi_line
from pipelines.ingestion.splits import Split
from pipelines.ingestion.text_blocks import BLOCK_BYTES, first_line, text_blocks

_UNIT_SEPARATOR = b"\x1f"
"""Stands in for separators of more than one character, which Arrow's reader does not have."""
_BOM = b"\xef\xbb\xbf"
"""A mark at the beginning of a file, a character of its value anywhere else."""


def header(file: SourceFile) -> tuple[str, ...]:
    """Column names of the file, from its layout or its first line; empty for an empty file."""
    if file.layout.names is not None:
        return file.layout.names
    line = first_line(file.uri).removeprefix(_BOM)
    try:
        text = line.decode()
    except UnicodeDecodeError:
        raise SchemaError(f"the header of {file.uri} is not UTF-8: {line[:80]!r}. Save the file as UTF-8.") from None
    separator, quoted = file.layout.separator, file.layout.quoted
    fields = csv.reader([text], delimiter=separator, quoting=csv.QUOTE_MINIMAL if quoted else csv.QUOTE_NONE)
    names = [name.partition(":")[0].strip() if file.layout.typed_header else name.strip() for name in next(fields, [])]
    if len(set(names)) < len(names):
        raise SchemaError(f"the header of {file.uri} names a column twice: {', '.join(names)}. Give each its own name.")
    return tuple(names)


def read_delimited(split: Split, block_bytes: int = BLOCK_BYTES) -> Iterator[Chunk]:
    """Chunks of one split; every column is text, an empty field is null."""
    layout, table = split.file.layout, split.file.table
    num_before = 0
    for number, block in enumerate(text_blocks(split, block_bytes)):
        text = block
        if split.start == 0 and number == 0:
            text = block.removeprefix(_BOM) if layout.names else block[block.find(b"\n") + 1 or len(block) :]
        if layout.encoding != "utf-8":
            text = text.decode(layout.encoding).encode()
        text, has_foreign = valid_utf8(text)
        fields, bad = _parse(text, split.file)
        num_rows = len(fields) + len(bad)
        numbers = np.delete(np.arange(1, num_rows + 1), [number - 1 for number in bad])
        frame = pl.DataFrame(fields).with_columns(pl.all().replace("", None), pl.Series(ROW, numbers + num_before))
        frame, foreign = set_apart(frame, foreign_rows(frame) if has_foreign else {})
        broken = [BadRow(number + num_before, *what) for number, what in sorted(bad.items())]
        yield Chunk(to_columns(frame, table, layout), broken + foreign)
        num_before += num_rows


def _parse(text: bytes, file: SourceFile) -> tuple[pa.Table, dict[int, tuple[str, str]]]:
    """Fields as text, and by row number the reason and text of rows that have no such fields."""
    layout = file.layout
    separator = layout.separator
    if len(separator) > 1:
        text, separator = text.replace(separator.encode(), _UNIT_SEPARATOR), _UNIT_SEPARATOR.decode()
    text, unclosed = _without_unclosed(text, file)
    ragged: list[tuple[int, str, str]] = []

    def set_apart(row: Any) -> str:
        reason = f"columns: row has {row.actual_columns} fields, the header {row.expected_columns}"
        ragged.append((row.number, reason, _shown(row.text, layout.separator)))
        return "skip"

    if not text:
        return pa.table({name: pa.array([], pa.string()) for name in file.names}), unclosed
    if text.startswith(_BOM):
        text = _BOM + text  # Arrow's reader drops one from the beginning of whatever it is given
    fields = pa_csv.read_csv(
        pa.BufferReader(text),
        # One thread and one block: only so are the rows numbered.
        pa_csv.ReadOptions(column_names=file.names, use_threads=False, block_size=len(text) + 1),
        pa_csv.ParseOptions(
            delimiter=separator,
            quote_char='"' if layout.quoted else False,
            newlines_in_values=True,
            invalid_row_handler=set_apart,
        ),
        pa_csv.ConvertOptions(
            check_utf8=False, column_types=dict.fromkeys(file.names, pa.string()), strings_can_be_null=False
        ),
    )
    return fields, {**_renumbered(ragged, unclosed), **unclosed}


def _shown(text: str, separator: str) -> str:
    return text.replace(_UNIT_SEPARATOR.decode(), separator).replace(FOREIGN, "\ufffd")


def _without_unclosed(text: bytes, file: SourceFile) -> tuple[bytes, dict[int, tuple[str, str]]]:
    """The text without the lines that open a quote and do not close it: they would swallow the rows behind them."""
    if not file.layout.quoted or b'"' not in text:
        return text, {}
    if multi_line(file) and text.count(b'"') % 2 == 0:
        return text, {}
    lines = [line for line in text.split(b"\n") if line.strip(b"\r")]
    closed = _closed_line(_UNIT_SEPARATOR if len(file.layout.separator) > 1 else file.layout.separator.encode())
    left_open = {
        number: line
        for number, line in enumerate(lines, start=1)
        if b'"' in line and (line.count(b'"') % 2 or not closed.fullmatch(line))
    }
    if not left_open:
        return text, {}
    kept = b"\n".join(line for number, line in enumerate(lines, start=1) if number not in left_open)
    reason = "columns: a quote is opened and not closed on its line"
    return kept, {number: (reason, line.decode(errors="replace")) for number, line in left_open.items()}


@cache
def _closed_line(separator: bytes) -> re.Pattern[bytes]:
    """Lines whose quoted fields all end on them. A quote opens a field only as its first character."""
    other = b"[^" + re.escape(separator) + b"]*+"
    quoted = b'"(?:[^"]|"")*+"' + other
    field = b"(?:" + quoted + b'|(?!")' + other + b")"
    return re.compile(field + b"(?:" + re.escape(separator) + field + b")*+", re.DOTALL)


def _renumbered(ragged: list[tuple[int, str, str]], taken: dict[int, tuple[str, str]]) -> dict[int, tuple[str, str]]:
    """Ragged rows by their number in the text from which the rows `taken` were already removed."""
    by_number, shift, left = {}, 0, sorted(taken)
    for number, reason, text in ragged:
        while shift < len(left) and left[shift] <= number + shift:
            shift += 1
        by_number[number + shift] = (reason, text)
    return by_number
