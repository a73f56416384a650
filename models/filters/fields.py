"""Which fields a filter may name, and what kind of value each holds."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from models.filters.expressions import Field


class Kind(StrEnum):
    """What a column holds, in words for people."""

    TEXT = 'a "text" in double quotes'
    NUMBER = "a number"
    FLAG = "true or false"
    TIME = 'a day or moment like "2026-01-31" or "2026-01-31T12:00:00Z"'


METADATA = "metadata"
COLUMNS: dict[str, Kind] = {
    "item_id": Kind.TEXT,
    "title": Kind.TEXT,
    "description": Kind.TEXT,
    "categories": Kind.TEXT,
    "tags": Kind.TEXT,
    "countries": Kind.TEXT,
    "released_at": Kind.TIME,
    "updated_at": Kind.TIME,
    "expires_at": Kind.TIME,
    "available": Kind.FLAG,
    "num_interactions": Kind.NUMBER,
}
"""Fields of every item; all others are those of its `metadata`."""


class UnknownField(LookupError):
    """No item can have this field. `nearest`: the field that was meant, or None."""

    def __init__(self, nearest: str | None) -> None:
        super().__init__(nearest)
        self.nearest = nearest


@dataclass(frozen=True, slots=True)
class Fields:
    """`metadata`: the dotted names of all there are in metadata where that set is closed; None where it is open."""

    metadata: frozenset[str] | None = None

    def resolve(self, parts: tuple[str, ...]) -> Field:
        """The field of a dotted name: a column, or else one of metadata. `UnknownField` when there can be none."""
        if parts[0] in COLUMNS:
            if len(parts) > 1:
                raise UnknownField(".".join((METADATA, *parts)))
            return Field(parts[0])
        path = parts[1:] if parts[0] == METADATA else parts
        if not path:
            raise UnknownField(self._nearest(METADATA))
        if self.metadata is not None and not _within(".".join(path), self.metadata):
            raise UnknownField(self._nearest(".".join(path)))
        return Field(METADATA, path)

    def _nearest(self, name: str) -> str | None:
        near = difflib.get_close_matches(name, [*COLUMNS, *sorted(self.metadata or ())], n=1, cutoff=0.0)
        return near[0] if near else None


OPEN = Fields()


def _within(name: str, known: Iterable[str]) -> bool:
    return any(other == name or other.startswith(f"{name}.") for other in known)
