"""The exact index of a small catalogue, in FAISS's flat format."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Any

import faiss
import numpy as np

from models.candidates import without
from models.index import parameters
from models.index.arrays import Found, Vectors
from models.index.config import Kind
from models.index.scan import scan
from models.index.selection import Selection
from models.vocabulary import Rows

_DENSE_UP_TO = 1 << 16
"""Rows that one matrix product compares with a whole batch: 4 to 8 times quicker than FAISS's heaps at 2,000 rows."""
_FEW = 4
"""Where no more than one row in so many is allowed, these alone are compared."""


class ExactIndex:
    """Over `faiss.IndexFlatIP`. Up to `_DENSE_UP_TO` rows a process that searches has a copy of its own; a larger one
    (of a bundle published before there were inverted lists) is read where the file is mapped.
    """

    kind: Kind = "exact"

    def __init__(self, flat: Any) -> None:
        self._flat = flat

    @classmethod
    def of(cls, vectors: Vectors) -> ExactIndex:
        """Over [num_items, dim]."""
        flat = faiss.IndexFlatIP(vectors.shape[1])
        flat.add(np.ascontiguousarray(vectors, dtype=np.float32))
        return cls(flat)

    @property
    def dim(self) -> int:
        """Width of the vectors."""
        return int(self._flat.d)

    @property
    def num_bytes(self) -> int:
        """Four a number."""
        return len(self) * self.dim * 4

    def __len__(self) -> int:
        return int(self._flat.ntotal)

    def search(self, queries: Vectors, k: int, selection: Selection) -> Found:
        """Every row of the selection is compared."""
        if selection.allowed is not None and selection.allowed.num_rows * _FEW < len(self):
            rows = selection.allowed_rows(len(self))
            return scan(queries, self.vectors(rows), k, selection.barred, rows)
        if len(self) <= _DENSE_UP_TO:
            return scan(queries, self._dense, k, selection.barred, closed=selection.closed(len(self)))
        return self._streamed(queries, k, selection)

    def vectors(self, rows: Rows) -> Vectors:
        """Of the given rows, [len(rows), dim]."""
        return np.asarray(self._flat.reconstruct_batch(np.ascontiguousarray(rows)), np.float32)

    def save(self, path: Path) -> None:
        """Write FAISS's own format."""
        faiss.write_index(self._flat, str(path))

    @cached_property
    def _dense(self) -> Vectors:
        """All vectors. In the file they do not lie where a matrix product may read them: floats at odd addresses."""
        return np.asarray(self._flat.reconstruct_n(0, len(self)), np.float32)

    def _streamed(self, queries: Vectors, k: int, selection: Selection) -> Found:
        params = parameters.flat(parameters.selector(selection.bits(len(self))))
        wide = min(k + max(map(len, selection.barred), default=0), len(self))
        scores, rows = self._flat.search(np.ascontiguousarray(queries), wide, params=params)
        found, best = np.full((len(queries), k), -1, np.int64), np.zeros((len(queries), k), np.float32)
        for line, kept in enumerate(without(rows, scores, selection.barred, k)):
            found[line, : len(kept)], best[line, : len(kept)] = kept.item_rows, kept.scores
        return found, best
