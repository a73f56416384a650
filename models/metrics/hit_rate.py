"""Hit rate: was any relevant item among the first k?"""

from __future__ import annotations

import numpy as np

from models.metrics.hits import Hits, Values


def hit_rate(hits: Hits, k: int) -> Values:
    """1.0 for a list with a hit among the first `k`, else 0.0; [num_lists]."""
    return np.asarray(hits[:, :k].any(axis=1), np.float64)
