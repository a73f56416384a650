"""Percentile bootstrap of means over users (Efron and Tibshirani, 1993, chapter 13)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models.metrics.hits import Values
from models.seeds import generator

NUM_RESAMPLES = 1_000
LEVEL = 0.95
_MAX_CELLS = 1 << 20
"""Draws held in memory at once: 8 MiB of them, and as much of counts."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean over users and the ends of its 95 % interval."""

    mean: float
    low: float
    high: float


def bootstrap(
    values: Values, weights: Values | None = None, *, seed: int = 0, num_resamples: int = NUM_RESAMPLES
) -> list[Estimate | None]:
    """Estimate of each column of `values`, [num_users, num_metrics]; None for a column without any value.

    A user is drawn whole, with all their metrics, so the columns of one call share their resamples. NaN means that
    the user has no value and is left out. `weights`, of the same shape, makes a column a weighted mean. One user
    gives an interval of no width.
    """
    num_users, num_metrics = values.shape
    weights = np.where(np.isnan(values), 0.0, np.ones_like(values) if weights is None else weights)
    weighted = np.where(np.isnan(values), 0.0, values) * weights
    if num_users == 0:
        return [None] * num_metrics
    means = np.empty((num_resamples, num_metrics))
    random = generator(seed, "bootstrap")
    at_once = max(1, _MAX_CELLS // num_users)
    for start in range(0, num_resamples, at_once):
        size = min(at_once, num_resamples - start)
        drawn = random.integers(0, num_users, (size, num_users))
        drawn += num_users * np.arange(size)[:, None]
        counts = np.bincount(drawn.ravel(), minlength=size * num_users).reshape(size, num_users).astype(np.float64)
        means[start : start + size] = _ratio(counts @ weighted, counts @ weights)
    whole = _ratio(weighted.sum(axis=0), weights.sum(axis=0))
    return [None if np.isnan(mean) else _estimate(mean, column) for mean, column in zip(whole, means.T, strict=True)]


def _ratio(sums: Values, weights: Values) -> Values:
    """NaN where a resample drew nobody with a value."""
    return np.divide(sums, weights, out=np.full_like(sums, np.nan), where=weights > 0)


def _estimate(mean: float, resampled: Values) -> Estimate:
    low, high = np.nanquantile(resampled, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Estimate(float(mean), float(low), float(high))
