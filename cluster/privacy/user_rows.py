"""Rows of user tables in safetensors files, set to zero where they lie: a file keeps its size, its names and its types.

A tensor belongs to the table of users when `user_table` is a part of its name. In a checkpoint the last part of a name
says where a shard lies in the whole (`pipelines/learning/engine/checkpoint.py`): "ROW", "ROW,COLUMN" or "whole".
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

from cluster.storage import Folder, filesystem, is_local, join
from models.manifest import FileEntry

_TABLE = re.compile(r"(?:^|[.|])user_table(?:[.|]|$)")
_PLACE = re.compile(r"\|(\d+)(?:,\d+)*$|\|whole$")
_CHUNK_BYTES = 1 << 22


@dataclass(frozen=True, slots=True)
class Span:
    """Bytes of a file."""

    start: int
    stop: int


def spans(folder: Folder, name: str, rows: Collection[int]) -> list[Span]:
    """Where the rows lie in a file, in order; none in a file that holds no table of users."""
    fs, path = filesystem(join(folder.uri, name))
    with fs.open(path, "rb") as file:
        length = int.from_bytes(file.read(8), "little")
        header: dict[str, Any] = json.loads(file.read(length))
    tensors = {key: info for key, info in header.items() if key != "__metadata__" and _TABLE.search(key)}
    found = []
    for key, info in tensors.items():
        if not info["shape"] or not _has_a_row_each(key, info, tensors):
            continue
        begin, end = info["data_offsets"]
        num_rows, first = info["shape"][0], _first_row(key)
        width = (end - begin) // num_rows if num_rows else 0
        for row in rows:
            if first <= row < first + num_rows:
                start = 8 + length + begin + (row - first) * width
                found.append(Span(start, start + width))
    return sorted(found, key=lambda span: span.start)


def is_blank(folder: Folder, name: str, where: list[Span]) -> bool:
    """True when nothing but zeros is there."""
    fs, path = filesystem(join(folder.uri, name))
    with fs.open(path, "rb") as file:
        for span in where:
            file.seek(span.start)
            if any(file.read(span.stop - span.start)):
                return False
    return True


def entry_when_blank(folder: Folder, name: str, where: list[Span]) -> FileEntry:
    """Size and hash that the file will have with zeros there."""
    digest, num_bytes = hashlib.sha256(), 0
    for chunk in _blanked(folder, name, where):
        digest.update(chunk)
        num_bytes += len(chunk)
    return FileEntry(num_bytes, digest.hexdigest())


def blank(folder: Folder, name: str, where: list[Span]) -> None:
    """Write zeros there: on a local disk over the old bytes, elsewhere by writing the object anew."""
    fs, path = filesystem(join(folder.uri, name))
    if is_local(folder.uri):
        with open(path, "r+b") as local:
            for span in where:
                local.seek(span.start)
                local.write(bytes(span.stop - span.start))
        return
    with fs.open(path, "wb") as target:  # an object appears when it is closed: the old one is read until then
        for chunk in _blanked(folder, name, where):
            target.write(chunk)


def _blanked(folder: Folder, name: str, where: list[Span]) -> Iterator[bytes]:
    fs, path = filesystem(join(folder.uri, name))
    with fs.open(path, "rb") as file:
        at = 0
        while chunk := file.read(_CHUNK_BYTES):
            stop = at + len(chunk)
            touched = [span for span in where if span.start < stop and span.stop > at]
            if touched:
                patched = bytearray(chunk)
                for span in touched:
                    start, end = max(span.start - at, 0), min(span.stop - at, len(chunk))
                    patched[start:end] = bytes(end - start)
                chunk = bytes(patched)
            yield chunk
            at = stop


def _first_row(key: str) -> int:
    found = _PLACE.search(key)
    return int(found[1]) if found and found[1] else 0


def _has_a_row_each(key: str, info: dict[str, Any], tensors: dict[str, Any]) -> bool:
    """False for a state that is not by row, such as a count of steps."""
    if not key.startswith("state|"):
        return True
    name, place = key.removeprefix("state|").partition("|")[0], _PLACE.search(key)
    weight = tensors.get(f"net|{name}{place[0] if place else ''}")
    if weight is None:  # rows of the weight and of its state may be cut at other columns
        rows = {other["shape"][0] for k, other in tensors.items() if k.startswith(f"net|{name}|")}
        return info["shape"][0] in rows
    return bool(info["shape"][0] == weight["shape"][0])
