"""Hit rate: was any relevant item among the first k?"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def hit_rate(ranks: NDArray[np.int64], k: int) -> float:
    """1.0 when any of one user's `ranks` is below `k`, else 0.0."""
    return float(np.any((ranks >= 0) & (ranks < k)))
