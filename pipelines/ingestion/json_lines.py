"""JSON Lines: one object a line, nested values kept as JSON text."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from zlib import error as ZlibError

import polars as pl

from models.errors import InputError
from models.tables import Table
from pipelines.ingestion.chunks import COLUMNS, EXTRA, ROW, BadRow, Chunk
from pipelines.ingestion.splits import Split
from pipelines.ingestion.text_blocks import BLOCK_BYTES, text_blocks


def read_json_lines(split: Split, block_bytes: int = BLOCK_BYTES) -> Iterator[Chunk]:
    """Chunks of one split; every column is text. Blank lines are no rows."""
    num_before = 0
    for block in text_blocks(split, block_bytes):
        lines = [line for line in block.split(b"\n") if line.strip()]
        yield objects(lines, split.file.table, split.file.layout.renames, num_before + 1)
        num_before += len(lines)


def objects(texts: Sequence[bytes], table: Table, renames: Mapping[str, str], first: int) -> Chunk:
    """A chunk of JSON objects, one a text, numbered from `first`. `renames`: their name → ours."""
    records: list[tuple[int, dict[str, Any]]] = []
    bad: list[BadRow] = []
    for number, text in enumerate(texts, start=first):
        value = _object(number, text)
        if isinstance(value, BadRow):
            bad.append(value)
        else:
            records.append((number, value))
    return Chunk(_frame(records, table, renames), bad)


def key_names(split: Split) -> tuple[str, ...]:
    """The keys of the first objects; empty when there are none, or the file is broken before them."""
    try:
        for block in text_blocks(split, 1 << 16):
            values = [_object(0, line) for line in block.split(b"\n") if line.strip()]
            names = dict.fromkeys(name for value in values if isinstance(value, dict) for name in value)
            if names:
                return tuple(names)
    except (OSError, EOFError, ZlibError, InputError):
        return ()
    return ()


def _object(number: int, line: bytes) -> dict[str, Any] | BadRow:
    try:
        value = json.loads(line)
    except UnicodeDecodeError:
        return BadRow(number, "encoding: line is not UTF-8", line.decode(errors="replace"))
    except (ValueError, RecursionError) as error:
        return BadRow(number, f"json: line is not JSON: {str(error)[:100]}", line.decode(errors="replace"))
    if b"\\ud" in line.lower() and not _is_text(value):
        return BadRow(number, "encoding: line holds half of a surrogate pair", line.decode(errors="replace"))
    if not isinstance(value, dict):
        return BadRow(number, f"json: line holds {_kind(value)}, not an object", line.decode(errors="replace"))
    return value


def _is_text(value: object) -> bool:
    """False for the escapes that JSON allows and Unicode does not."""
    try:
        _dumps(value).encode()
    except UnicodeEncodeError:
        return False
    return True


def _kind(value: object) -> str:
    names = {list: "a list", str: "a text", bool: "a truth value", type(None): "null"}
    return names.get(type(value), "a number")


def _frame(records: list[tuple[int, dict[str, Any]]], table: Table, renames: Mapping[str, str]) -> pl.DataFrame:
    known = COLUMNS[table]
    columns: dict[str, list[str | None]] = {name: [] for name in known}
    extras: list[str | None] = []
    for _, value in records:
        value = {renames.get(name, name): content for name, content in value.items()}
        for name in known:
            columns[name].append(_text(value.pop(name, None)))
        value.pop("date", None)
        extras.append(_dumps(value) if value else None)
    numbers = pl.Series(ROW, [number for number, _ in records], dtype=pl.Int64)
    given = {name: texts for name, texts in columns.items() if any(text is not None for text in texts)}
    frame = pl.DataFrame({**given, EXTRA: extras}, schema={**dict.fromkeys(given, pl.String), EXTRA: pl.String})
    return frame.with_columns(numbers)


def _text(value: Any) -> str | None:
    if value is None or value == "":
        return None
    return value if isinstance(value, str) else _dumps(value)


def _dumps(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True)
