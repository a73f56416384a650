"""Vectors in half the bytes, in a mapped file: what the best of an inverted index are scored again from."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.errors import BundleError, InputError
from models.index.arrays import Vectors
from models.vocabulary import Rows

_ROWS_AT_A_TIME = 1 << 18


class HalfVectors:
    """[num_rows, dim] as float16, each column divided by the power of two that keeps it within 1.

    So a column of large numbers takes no precision from the others: a score is off by about one part in 2,000.
    """

    def __init__(self, halves: NDArray[np.float16], scale: NDArray[np.float32]) -> None:
        self._halves, self._scale = halves, scale

    @classmethod
    def of(cls, vectors: Vectors) -> HalfVectors:
        """`InputError` where a number is NaN or infinite."""
        largest = np.maximum(vectors.max(axis=0), -vectors.min(axis=0)).astype(np.float64)
        if not np.isfinite(largest).all():
            raise InputError("item vectors hold NaN or infinity, which cannot be indexed. Train the model again.")
        scale = np.exp2(np.ceil(np.log2(np.where(largest > 0, largest, 1.0)))).astype(np.float32)
        halves = np.empty(vectors.shape, np.float16)
        for start in range(0, len(vectors), _ROWS_AT_A_TIME):
            part = slice(start, start + _ROWS_AT_A_TIME)
            halves[part] = vectors[part] / scale
        return cls(halves, scale)

    @classmethod
    def load(cls, path: Path, num_rows: int, dim: int) -> HalfVectors:
        """Map what `save` wrote for the index at `path`; `BundleError` when it is of another one."""
        halves = np.load(path.with_suffix(".vectors.npy"), mmap_mode="r")
        scale = np.load(path.with_suffix(".scale.npy"))
        if halves.dtype != np.float16 or halves.shape != (num_rows, dim) or scale.shape != (dim,):
            raise BundleError(f"the vectors beside {path.name} are of another index. Publish the bundle again.")
        return cls(halves, scale)

    def save(self, path: Path) -> None:
        """Write `….vectors.npy` and `….scale.npy` beside the index at `path`."""
        np.save(path.with_suffix(".vectors.npy"), self._halves)
        np.save(path.with_suffix(".scale.npy"), self._scale)

    @property
    def num_bytes(self) -> int:
        """Two a number."""
        return int(self._halves.nbytes)

    def vectors(self, rows: Rows) -> Vectors:
        """Of the given rows, [len(rows), dim]."""
        return np.multiply(self._halves[rows], self._scale, dtype=np.float32)

    def scores(self, query: NDArray[np.float32], rows: Rows) -> NDArray[np.float32]:
        """Inner products of [dim] with the given rows, [len(rows)]."""
        return np.asarray(self._halves[rows].astype(np.float32) @ (query * self._scale), np.float32)
