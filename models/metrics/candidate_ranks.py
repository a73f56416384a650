"""The rank of a relevant item among given candidates."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def candidate_ranks(
    relevant: NDArray[np.float32], candidates: NDArray[np.float32], owner: NDArray[np.int64]
) -> NDArray[np.int64]:
    """0-based rank of each relevant item among its candidates, [num_relevant].

    `relevant` [num_relevant]: scores of the items to be found. `candidates` [num_candidates]: scores of the items
    they compete with, and `owner`, of the same shape, the number of the relevant item each competes with.
    A tie counts against the model. NaN is below every score, and a relevant item of score NaN is last.
    """
    against = relevant[owner]
    ahead = (candidates >= against) | np.isnan(against)
    return np.bincount(owner[ahead], minlength=len(relevant)).astype(np.int64)
