"""Reciprocal rank of the first relevant item; its mean over users is MRR."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def reciprocal_rank(ranks: NDArray[np.int64], k: int) -> float:
    """1 / (best rank + 1) when a hit lies among the first `k`, else 0.0."""
    hits = ranks[(ranks >= 0) & (ranks < k)]
    return 0.0 if hits.size == 0 else float(1.0 / (hits.min() + 1))
