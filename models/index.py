"""Top-k by inner product over the item vectors (FAISS). One small interface, whichever index is behind it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

from models.errors import BundleError

Vectors = NDArray[np.float32]


class VectorIndex:
    """Rows of the index are item rows."""

    def __init__(self, index: Any) -> None:
        self._index = index

    @classmethod
    def build(cls, vectors: Vectors) -> VectorIndex:
        """An exact index over [num_items, dim] vectors."""
        index = faiss.IndexFlatIP(vectors.shape[1])
        index.add(np.ascontiguousarray(vectors, dtype=np.float32))
        return cls(index)

    @classmethod
    def load(cls, path: Path) -> VectorIndex:
        """Read a saved index; `BundleError` when it is not one."""
        try:
            return cls(faiss.read_index(str(path)))
        except RuntimeError as error:
            raise BundleError(f"index {path.name} is unreadable. Publish the bundle again.") from error

    def save(self, path: Path) -> None:
        """Write the index in FAISS's own format."""
        faiss.write_index(self._index, str(path))

    @property
    def dim(self) -> int:
        """Width of the vectors."""
        return int(self._index.d)

    def __len__(self) -> int:
        return int(self._index.ntotal)

    def search(self, queries: Vectors, k: int) -> tuple[NDArray[np.int64], Vectors]:
        """Rows and scores of the best `k` (at most all) for each query, both [num_queries, k], best first."""
        scores, rows = self._index.search(np.ascontiguousarray(queries, dtype=np.float32), min(k, len(self)))
        return rows, scores

    def vectors(self, rows: NDArray[np.int64]) -> Vectors:
        """The vectors of the given rows, [len(rows), dim]."""
        return np.asarray(self._index.reconstruct_batch(np.ascontiguousarray(rows)), dtype=np.float32)
