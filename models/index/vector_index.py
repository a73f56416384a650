"""Top-k by inner product over the item vectors: one small interface, whichever index is behind it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import faiss
import numpy as np

from models.errors import BundleError
from models.index.arrays import Found, Vectors
from models.index.building import build
from models.index.config import DELTA_CAPACITY, IndexConfig
from models.index.delta import Delta
from models.index.exact import ExactIndex
from models.index.inverted import InvertedIndex
from models.index.published import Published
from models.index.record import IndexRecord
from models.index.scan import merged
from models.index.selection import Filter, Selection, allowed_of, barred_of
from models.vocabulary import Rows


class VectorIndex:
    """Rows of the index are item rows; those of added items go on behind them.

    `record`: what the build measured; None for an index that was not measured. Searches may run in any number of
    threads beside one that adds and removes.
    """

    def __init__(
        self, published: Published, record: IndexRecord | None = None, delta_capacity: int = DELTA_CAPACITY
    ) -> None:
        self._published, self.record = published, record
        self._delta = Delta(len(published), published.dim, delta_capacity)

    @classmethod
    def build(cls, vectors: Vectors, queries: Vectors | None = None, config: IndexConfig | None = None) -> VectorIndex:
        """An index over [num_items, dim] vectors, of the kind that their number asks for.

        `queries`: [num_users, dim] as will be asked, on which recall is measured; without, items stand in for users.
        """
        config = config or IndexConfig()
        return cls(*build(vectors, queries, config), config.delta_capacity)

    @classmethod
    def exact(cls, vectors: Vectors) -> VectorIndex:
        """An index that compares everything whatever the size, for validation and look-ups; nothing is measured."""
        return cls(ExactIndex.of(vectors))

    @classmethod
    def load(cls, path: Path) -> VectorIndex:
        """Map a saved index, so that the processes of a machine share its pages; `BundleError` when it is not one."""
        try:
            found = faiss.read_index(str(path), faiss.IO_FLAG_MMAP_IFC)
            beside = path.with_suffix(".json")
            record = IndexRecord.from_json(beside.read_bytes()) if beside.exists() else None
            return cls(_published(path, found, record), record)
        except (RuntimeError, OSError, ValueError, TypeError) as error:
            raise BundleError(f"index {path.name} is unreadable. Publish the bundle again.") from error

    def save(self, path: Path) -> None:
        """Write what was published: the index at `path`, its record and other files beside it. Not what was added."""
        self._published.save(path)
        beside = path.with_suffix(".json")
        if self.record is None:
            beside.unlink(missing_ok=True)  # it would be another index's
        else:
            beside.write_text(json.dumps(self.record.to_json(), indent=2, sort_keys=True))

    @property
    def dim(self) -> int:
        """Width of the vectors."""
        return self._published.dim

    @property
    def num_published(self) -> int:
        """Items of the bundle, without those added since."""
        return len(self._published)

    def __len__(self) -> int:
        return len(self._published) + len(self._delta.state.vectors)

    def search(
        self, queries: Vectors, k: int, allowed: Filter | None = None, barred: Sequence[Rows] | None = None
    ) -> Found:
        """Rows and scores of the best `k` (at most all) for [num_queries, dim], both [num_queries, k], best first.

        `allowed`: the only rows that any query may find, a mask over the bundle's rows and, behind them, those added;
        `barred`: rows that each query may not find, some hundreds. Where fewer are left, row -1 and score 0.
        `InputError` for a mask that is shorter than the bundle.
        """
        state, queries = self._delta.state, np.ascontiguousarray(queries, dtype=np.float32)
        selection = Selection(barred_of(barred, len(queries)), allowed_of(allowed, self.num_published), state.kept)
        k = min(k, self.num_published + len(state.vectors))
        if not len(state.vectors):
            return self._published.search(queries, k, selection)
        found = self._published.search(queries, min(k, self.num_published), selection)
        return merged(found, state.search(queries, k, selection), k)

    def vectors(self, rows: Rows) -> Vectors:
        """The vectors of the given rows, [len(rows), dim]; of inverted lists in half precision."""
        added = rows >= self.num_published
        if not added.any():
            return self._published.vectors(rows)
        vectors = np.empty((len(rows), self.dim), np.float32)
        vectors[~added] = self._published.vectors(rows[~added])
        vectors[added] = self._delta.state.vectors[rows[added] - self.num_published]
        return vectors

    def add(self, vectors: Vectors) -> Rows:
        """Rows of new items, given their [num_new, dim] vectors: the next search finds them.

        `IndexFullError` when too many were added since the bundle was published.
        """
        return self._delta.add(vectors)

    def remove(self, rows: Rows) -> None:
        """Take rows out of all searches from now on, published or added. Their vectors can still be read."""
        self._delta.remove(rows)


def _published(path: Path, found: Any, record: IndexRecord | None) -> Published:
    if record is not None and (record.num_items, record.dim) != (found.ntotal, found.d):
        raise BundleError(f"{path.stem}.json is not of {path.name}. Publish the bundle again.")
    if isinstance(found, faiss.IndexFlat):
        return ExactIndex(found)
    if record is None or not isinstance(found, faiss.IndexIVF):
        raise BundleError(f"index {path.name} is of a kind, or lacks a record, that this Shoal needs. Update Shoal.")
    return InvertedIndex.load(path, found, record.kind, record.nprobe, record.refine)
