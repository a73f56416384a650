"""What a missing score is worth when pairs are judged: as much as the worst one."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def against_the_model(labels: NDArray[np.bool_], scores: NDArray[np.float32]) -> NDArray[np.float64]:
    """Scores with each NaN as −∞ where the label is positive and +∞ where it is negative; [num_pairs].

    A net that has diverged then scores 0, not the 0.5 of an honest coin.
    """
    wide = scores.astype(np.float64)
    return np.where(np.isnan(wide), np.where(labels, -np.inf, np.inf), wide)
