"""Average precision; its mean over users is MAP (Manning, Raghavan and Schütze, 2008, section 8.4)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.metrics.hits import Hits, Values


def average_precision(hits: Hits, num_relevant: NDArray[np.int64], k: int) -> Values:
    """Precision at each hit among the first `k`, summed, over min(num_relevant, k); [num_lists].

    That normaliser lets a list of `k` reach 1.0 when there are more than `k` relevant items.
    """
    first = hits[:, :k]
    at = np.cumsum(first, axis=1) / np.arange(1, first.shape[1] + 1)
    return np.asarray((at * first).sum(axis=1) / np.maximum(np.minimum(num_relevant, k), 1), np.float64)
