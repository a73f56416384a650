"""Normalised discounted cumulative gain with binary gains (Järvelin and Kekäläinen, 2002, section 2.2)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.metrics.hits import Hits, Values


def ndcg(hits: Hits, num_relevant: NDArray[np.int64], k: int) -> Values:
    """DCG of the first `k`, discount 1/log2(rank + 2) for 0-based ranks, over the best DCG possible; [num_lists]."""
    best = np.concatenate([[0.0], np.cumsum(1.0 / np.log2(np.arange(k) + 2.0))])
    gained = hits[:, :k] @ (1.0 / np.log2(np.arange(min(k, hits.shape[1])) + 2.0))
    ideal = best[np.minimum(num_relevant, k)]
    return np.asarray(np.divide(gained, ideal, out=np.zeros(len(hits)), where=ideal > 0), np.float64)
