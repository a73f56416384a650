"""Calibration: of the pairs given 30 %, do 30 % happen? (Guo et al., 2017, section 2)"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.metrics.hits import Values

NUM_BINS = 15


@dataclass(frozen=True, slots=True)
class Reliability:
    """Bins that hold a pair, by rising probability: pairs, their mean probability, and their share of positives."""

    num_pairs: tuple[int, ...]
    probability: tuple[float, ...]
    share_positive: tuple[float, ...]


def reliability(labels: NDArray[np.bool_], probabilities: Values, num_bins: int = NUM_BINS) -> Reliability:
    """Pairs in `num_bins` bins of equal width over [0, 1]; a probability on an edge belongs to the bin above."""
    bins = np.minimum((probabilities * num_bins).astype(np.int64), num_bins - 1)
    num = np.bincount(bins, minlength=num_bins)
    held = num > 0
    probability = np.bincount(bins, probabilities, num_bins)[held] / num[held]
    share = np.bincount(bins, labels, num_bins)[held] / num[held]
    return Reliability(tuple(num[held].tolist()), tuple(probability.tolist()), tuple(share.tolist()))


def expected_calibration_error(bins: Reliability) -> float:
    """Mean |share of positives − mean probability| of the bins, weighted by their pairs; NaN without pairs."""
    if not bins.num_pairs:
        return float("nan")
    gaps = np.abs(np.asarray(bins.share_positive) - np.asarray(bins.probability))
    return float(np.average(gaps, weights=np.asarray(bins.num_pairs)))
