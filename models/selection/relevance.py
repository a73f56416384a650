"""What each candidate is worth before the row is looked at."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.selection.boosts import boosted
from models.selection.control import Control
from models.selection.pool import Pool
from models.selection.rules import SelectionConfig


def relevance(pool: Pool, config: SelectionConfig, control: Control, now_us: int) -> NDArray[np.float64]:
    """[num]: scores of each source from 0, its least, to 1, its best; then the bonus of freshness; then the boosts.

    So weights mean the same whatever model scores, and sources compare. All are 1 where all scores are equal.
    """
    values = np.zeros(len(pool))
    ranked = pool.scores[: pool.num_ranked].astype(np.float64)
    if pool.source_of is None:
        values[: pool.num_ranked] = _scaled(ranked)
    else:
        source_of = pool.source_of[: pool.num_ranked]
        for source in range(len(pool.sources)):
            values[: pool.num_ranked][source_of == source] = _scaled(ranked[source_of == source])
    if config.freshness is not None:
        assert pool.published_us is not None
        values += config.freshness.bonus(pool.published_us, now_us)
    return boosted(values, control.boosts, pool.passes)


def _scaled(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    if not len(scores):
        return scores
    least, best = scores.min(), scores.max()
    return (scores - least) / (best - least) if best > least else np.ones(len(scores))
