"""Precision: which share of the first k positions holds a relevant item?"""

from __future__ import annotations

import numpy as np

from models.metrics.hits import Hits, Values


def precision(hits: Hits, k: int) -> Values:
    """Hits among the first `k` over `k`, [num_lists]; a list shorter than `k` is not excused."""
    return np.asarray(hits[:, :k].sum(axis=1) / k, np.float64)
