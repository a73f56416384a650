"""Recall: which share of the relevant items was among the first k?"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.metrics.hits import Hits, Values


def recall(hits: Hits, num_relevant: NDArray[np.int64], k: int) -> Values:
    """Hits among the first `k` over all `num_relevant`, [num_lists]; 0.0 where there are none."""
    return np.asarray(hits[:, :k].sum(axis=1) / np.maximum(num_relevant, 1), np.float64)
