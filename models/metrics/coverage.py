"""Catalogue coverage: which share of the catalogue was recommended to anybody?"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def catalogue_coverage(exposures: NDArray[np.int64]) -> float:
    """Items with an exposure over all items; `exposures` [num_items]: how often each was recommended."""
    return float(np.count_nonzero(exposures) / max(len(exposures), 1))
