"""EASE: how much having one item speaks for another, all pairs solved together in closed form.

Steck, "Embarrassingly Shallow Autoencoders for Sparse Data" (2019): a user's row X is rebuilt as XB, where B has an
empty diagonal and a ridge. With G = XᵀX + λI and P = G⁻¹, B is −P with each column divided by its diagonal. Unlike a
likeness of pairs, B knows that items are liked for the same reason, and does not count that reason twice.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy.linalg.lapack import dpotrf, dpotri
from scipy.sparse import csr_matrix, vstack

MOST_ITEMS = 12_500
"""The inverse takes items³ steps and items² numbers: for so many 35 s on one core and 1.7 GB."""
_ROWS_AT_A_TIME = 1_000


def ridge_of(num_events: int) -> float:
    """λ where none is set: what did best on sets of 42 thousand to a million events (docs/models/item_knn.md)."""
    return 0.3 * math.sqrt(max(num_events, 1))


def ease(interactions: csr_matrix, ridge: float, num_neighbours: int) -> csr_matrix:
    """[num_items, num_items]: in row i the `num_neighbours` largest weights, of either sign, that item i gives others.

    `interactions` [num_users, num_items]; every one counts the same.
    """
    num_items = interactions.shape[1]
    active = np.flatnonzero(interactions.getnnz(axis=0))
    if not len(active):
        return csr_matrix((num_items, num_items), dtype=np.float32)
    had = interactions[:, active].sign().astype(np.float64).tocsr()
    found = vstack(list(_largest(_lower_inverse(_gram(had, ridge)), num_neighbours))).tocoo()
    pairs = (found.data, (active[found.row], active[found.col]))
    return csr_matrix(pairs, (num_items, num_items))


def _gram(had: csr_matrix, ridge: float) -> NDArray[np.float64]:
    """XᵀX + λI, dense, in columns as LAPACK wants it."""
    items = had.T.tocsr()
    gram = np.empty((items.shape[0], items.shape[0]), np.float64, order="F")
    for start in range(0, len(gram), _ROWS_AT_A_TIME):
        rows = slice(start, start + _ROWS_AT_A_TIME)
        gram[rows] = (items[rows] @ had).toarray()
    gram[np.diag_indices_from(gram)] += ridge
    return gram


def _lower_inverse(gram: NDArray[np.float64]) -> NDArray[np.float64]:
    """The inverse in the place of a positive definite matrix: its lower triangle, what is above means nothing."""
    factor, failed = dpotrf(gram, lower=True, clean=False, overwrite_a=True)
    assert not failed  # a ridge above 0 makes it definite
    inverse, failed = dpotri(factor, lower=True, overwrite_c=True)
    assert not failed
    return np.asarray(inverse)


def _largest(lower: NDArray[np.float64], num_neighbours: int) -> Iterator[csr_matrix]:
    """Rows of B, only the largest weights by size kept, some rows at a time."""
    num_items = len(lower)
    kept = min(num_neighbours, num_items)
    scale, columns_of_all = -1.0 / lower.diagonal(), np.arange(num_items)
    for start in range(0, num_items, _ROWS_AT_A_TIME):
        block = slice(start, min(start + _ROWS_AT_A_TIME, num_items))
        own = columns_of_all[block, None]
        weights = np.where(columns_of_all < own, lower[block], lower[:, block].T) * scale
        weights[columns_of_all == own] = 0.0
        columns = np.argpartition(-np.abs(weights), kept - 1, axis=1)[:, :kept]
        values = np.take_along_axis(weights, columns, axis=1).astype(np.float32)
        rows = np.repeat(np.arange(len(weights)), kept)
        part = csr_matrix((values.ravel(), (rows, columns.ravel())), weights.shape)
        part.eliminate_zeros()
        yield part
