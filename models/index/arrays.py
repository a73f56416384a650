"""The arrays of this room."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.float32]
"""[num_vectors, dim]."""
Found = tuple[NDArray[np.int64], NDArray[np.float32]]
"""Rows and scores, both [num_queries, k], best first; row -1 and score 0 where there is nothing more to find."""
