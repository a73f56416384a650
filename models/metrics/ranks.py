"""From recommended lists to the 0-based ranks of the relevant items."""

from __future__ import annotations

from collections.abc import Sequence
from collections.abc import Set as AbstractSet

import numpy as np
from numpy.typing import NDArray


def ranks_of_relevant(recommended: Sequence[str], relevant: AbstractSet[str]) -> NDArray[np.int64]:
    """Ranks at which relevant items first appear, ascending; a repeated item earns nothing the second time."""
    seen: set[str] = set()
    ranks = []
    for rank, item_id in enumerate(recommended):
        if item_id in relevant and item_id not in seen:
            ranks.append(rank)
        seen.add(item_id)
    return np.asarray(ranks, dtype=np.int64)
