"""What each candidate would add to the row as it stands."""

from __future__ import annotations

from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray


class Gains(Protocol):
    """Follows a row as it fills up."""

    @property
    def values(self) -> NDArray[np.float64]:
        """[num], the best the highest."""

    def add(self, entry: int) -> None:
        """The entry has been put into the row."""


class Relevance:
    """Every candidate for itself: what stands in the row changes nothing."""

    def __init__(self, relevance: NDArray[np.float64]) -> None:
        self.values = relevance

    def add(self, entry: int) -> None:
        """Nothing changes."""


_Float = TypeVar("_Float", np.float32, np.float64)


def directions(vectors: NDArray[_Float]) -> NDArray[_Float]:
    """Vectors of length 1, [num, dim]; a zero vector stays, and is like nothing."""
    lengths = np.sqrt(np.einsum("ij,ij->i", vectors, vectors))
    lengths[lengths == 0] = 1
    return np.asarray(vectors / lengths[:, None], vectors.dtype)
