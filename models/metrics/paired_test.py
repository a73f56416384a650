"""Two models on the same users: how much better is one, and could that be chance?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models.metrics.bootstrap import bootstrap
from models.metrics.hits import Values
from models.seeds import generator

NUM_FLIPS = 2_000
_MAX_CELLS = 1 << 20
_ROUNDING = 1e-12


@dataclass(frozen=True, slots=True)
class PairedTest:
    """Mean difference (first minus second), the ends of its 95 % interval, and the p-value of "no difference"."""

    difference: float
    low: float
    high: float
    p_value: float

    @property
    def is_worse(self) -> bool:
        """True when the whole interval lies below 0."""
        return self.high < 0.0


def paired_test(
    first: Values, second: Values, weights: Values | None = None, *, seed: int = 0, num_flips: int = NUM_FLIPS
) -> PairedTest:
    """Compare two models by their values on the same users, both [num_users]; at least one user has both values.

    `weights` [num_users] makes both means weighted. The interval is the paired bootstrap of the difference (Efron and
    Tibshirani, 1993, chapter 13). The two-sided p-value flips the signs of the users' differences at random (Fisher's
    randomisation test, found the soundest for retrieval by Smucker, Allan and Carterette, 2007):
    (1 + flips at least as extreme) / (1 + flips).
    """
    differences = first - second
    if weights is None:
        weights = np.ones_like(differences)
    [estimate] = bootstrap(differences[:, None], weights[:, None], seed=seed)
    assert estimate is not None
    weighted = np.nan_to_num(differences) * weights
    return PairedTest(estimate.mean, estimate.low, estimate.high, _sign_flip(weighted, seed, num_flips))


def _sign_flip(differences: Values, seed: int, num_flips: int) -> float:
    moved = differences[differences != 0.0]
    if not len(moved):
        return 1.0
    seen = abs(moved.sum()) - _ROUNDING
    random = generator(seed, "sign flips")
    at_once = max(1, _MAX_CELLS // len(moved))
    extreme = 0
    for start in range(0, num_flips, at_once):
        flips = random.integers(0, 2, (min(at_once, num_flips - start), len(moved)), dtype=np.int8)
        sums = 2.0 * (flips @ moved) - moved.sum()
        extreme += int(np.count_nonzero(np.abs(sums) >= seen))
    return (1 + extreme) / (1 + num_flips)
