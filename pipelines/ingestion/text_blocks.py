"""The text of a split as blocks of whole rows, whatever lies at its borders and however large the file."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from typing import IO, cast
from zlib import error as ZlibError

from cluster.storage import filesystem
from models.errors import InputError
from pipelines.ingestion.layout import multi_line
from pipelines.ingestion.splits import Split

BLOCK_BYTES = 16 << 20
_PIECE_BYTES = 1 << 20
_MAX_LINE_BYTES = 1 << 16
_MAX_BLOCK_BYTES = 256 << 20
"""A row longer than this is not text of ours."""


def text_blocks(split: Split, block_bytes: int = BLOCK_BYTES) -> Iterator[bytes]:
    """Blocks that end with a row's end. `InputError` for a row without end, `OSError` or `EOFError` from the file."""
    quoted = multi_line(split.file)
    fs, path = filesystem(split.file.uri)
    with fs.open(path, "rb") as raw:
        if split.file.uri.endswith(".gz"):
            with gzip.open(raw) as text:
                yield from _blocks(cast(IO[bytes], text), None, quoted, block_bytes)
            return
        start = _next_line(raw, split.start)
        stop = _next_line(raw, split.stop)
        raw.seek(start)
        yield from _blocks(raw, max(0, stop - start), quoted, block_bytes)


def first_line(uri: str) -> bytes:
    """The first line of a text file, cut to `_MAX_LINE_BYTES`; empty when the file is broken before its end."""
    fs, path = filesystem(uri)
    try:
        with fs.open(path, "rb", compression="gzip" if uri.endswith(".gz") else None) as raw:
            return bytes(raw.read(_MAX_LINE_BYTES).partition(b"\n")[0])
    except (OSError, EOFError, ZlibError):
        return b""


def _next_line(raw: IO[bytes], at: int) -> int:
    """The first beginning of a line at or after `at`."""
    if at == 0:
        return 0
    raw.seek(at - 1)
    raw.readline()
    return raw.tell()


def _blocks(text: IO[bytes], left: int | None, quoted: bool, block_bytes: int) -> Iterator[bytes]:
    """`left`: bytes to read, None for all there are. Whole rows before a broken place come out before its error."""
    held = bytearray()
    while True:
        try:
            piece = text.read(_PIECE_BYTES if left is None else min(_PIECE_BYTES, left))
        except (OSError, EOFError, ZlibError):
            if end := _rows_end(held, quoted):
                yield bytes(held[:end])
            raise
        if not piece:
            break
        left = None if left is None else left - len(piece)
        held += piece
        if len(held) < block_bytes:
            continue
        if end := _rows_end(held, quoted):
            yield bytes(held[:end])
            del held[:end]
        elif len(held) > _MAX_BLOCK_BYTES:
            raise InputError(f"a row is longer than {_MAX_BLOCK_BYTES >> 20} MiB. Is this a text file?")
    if held:
        yield bytes(held)


def _rows_end(text: bytearray, quoted: bool) -> int:
    """Where the last whole row ends. A line break within quotes (an odd number of them before it) ends no row."""
    last = end = text.rfind(b"\n") + 1
    if not quoted:
        return end
    num_quotes = text.count(b'"', 0, end)
    for _ in range(1_000):
        if num_quotes % 2 == 0:
            return end
        before = text.rfind(b"\n", 0, end - 1) + 1
        num_quotes -= text.count(b'"', before, end)
        end = before
    return last  # a stray quote: no use in looking further
