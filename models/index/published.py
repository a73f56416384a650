"""What the index of a bundle can do, of whichever kind."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from models.index.arrays import Found, Vectors
from models.index.config import Kind
from models.index.selection import Selection
from models.vocabulary import Rows


class Published(Protocol):
    """It never changes. Rows are item rows."""

    @property
    def kind(self) -> Kind:
        """Which it is."""

    @property
    def dim(self) -> int:
        """Width of the vectors."""

    @property
    def num_bytes(self) -> int:
        """In memory, when all of it has been read."""

    def __len__(self) -> int: ...

    def search(self, queries: Vectors, k: int, selection: Selection) -> Found:
        """The best `k` rows of the selection for each of [num_queries, dim]."""

    def vectors(self, rows: Rows) -> Vectors:
        """Of the given rows, [len(rows), dim]."""

    def save(self, path: Path) -> None:
        """Write `path`, and what belongs to it beside it."""
