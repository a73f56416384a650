"""Normalised discounted cumulative gain with binary gains (Järvelin and Kekäläinen, 2002, section 2.2)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def ndcg(ranks: NDArray[np.int64], num_relevant: int, k: int) -> float:
    """DCG of the hits among the first `k`, discount 1/log2(rank + 2), over the best DCG possible."""
    if num_relevant == 0:
        return 0.0
    hits = ranks[(ranks >= 0) & (ranks < k)]
    ideal = np.arange(min(num_relevant, k))
    return float(np.sum(1.0 / np.log2(hits + 2.0)) / np.sum(1.0 / np.log2(ideal + 2.0)))
