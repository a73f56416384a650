"""Novelty: mean self-information of the recommended items (Vargas and Castells, 2011, section 4.1)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.metrics.hits import Values


def novelty(rows: NDArray[np.int64], counts: NDArray[np.int64], k: int) -> Values:
    """Mean −log2 p(item) in bits over the first `k` items of each list; [num_lists], NaN for an empty list.

    `rows` [num_lists, width]: item rows, -1 where a list has ended. `counts` [num_items]: training events.
    p(item) = (count + 1) / (total + num_items): the share of events, smoothed so that a new item is no infinity.
    """
    information = -np.log2((counts + 1) / (counts.sum() + len(counts)))
    first = rows[:, :k]
    held = first >= 0
    num = held.sum(axis=1)
    total = np.where(held, information[first], 0.0).sum(axis=1)
    return np.where(num > 0, total / np.maximum(num, 1), np.nan)
