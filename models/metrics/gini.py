"""Gini coefficient: how unequally are the exposures shared among the items of the catalogue?"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def gini(exposures: NDArray[np.int64]) -> float:
    """0.0 when every item of the catalogue is shown as often, near 1.0 when one item takes everything.

    `exposures` [num_items] holds the whole catalogue, never-shown items as 0. With x sorted ascending and ranks
    i = 1 … n it is Σ (2i − n − 1) xᵢ / (n Σ x); 0.0 when nothing was shown.
    """
    n, total = len(exposures), int(exposures.sum())
    if total == 0:
        return 0.0
    weights = 2 * np.arange(1, n + 1) - n - 1
    return float(np.sort(exposures) @ weights / (n * total))
