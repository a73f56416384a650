"""Recall: which share of the relevant items was among the first k?"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def recall(ranks: NDArray[np.int64], num_relevant: int, k: int) -> float:
    """Hits among the first `k` over all `num_relevant`; 0.0 when there are none."""
    if num_relevant == 0:
        return 0.0
    return float(np.count_nonzero((ranks >= 0) & (ranks < k)) / num_relevant)
