"""Intra-list diversity: how unlike are the items of one list (Ziegler et al., 2005, section 3.3)?"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from models.metrics.hits import Values


def intra_list_diversity(rows: NDArray[np.int64], vectors: NDArray[np.float32], k: int) -> Values:
    """Mean 1 − cosine over all pairs of the first `k` items; [num_lists], NaN for a list of fewer than two.

    `rows` [num_lists, width]: rows of `vectors` [num_items, dim], -1 where a list has ended. An item without a
    direction (a zero vector) is unlike every other. For unit vectors, Σ over ordered pairs i ≠ j of vᵢ·vⱼ is
    |Σ v|² − Σ |v|², so no pair is ever formed.
    """
    values = np.full(len(rows), np.nan)
    for row, items in enumerate(rows[:, :k]):
        held = items[items >= 0]
        if len(held) < 2:
            continue
        directions = _unit(vectors[held])
        whole = directions.sum(axis=0)
        alike = whole @ whole - np.square(directions).sum()
        values[row] = 1.0 - alike / (len(held) * (len(held) - 1))
    return values


def category_vectors(categories: Sequence[Sequence[str]]) -> NDArray[np.float32]:
    """One 0/1 column a category, [num_items, num_categories]: the cosine of two rows is that of the two sets."""
    column = {name: at for at, name in enumerate(sorted({name for names in categories for name in names}))}
    vectors = np.zeros((len(categories), len(column)), np.float32)
    for row, names in enumerate(categories):
        vectors[row, [column[name] for name in names]] = 1.0
    return vectors


def _unit(vectors: NDArray[np.float32]) -> NDArray[np.float64]:
    wide = vectors.astype(np.float64)
    norms = np.linalg.norm(wide, axis=1, keepdims=True)
    return np.asarray(wide / np.where(norms > 0, norms, 1.0), np.float64)
