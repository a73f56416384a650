"""The mean of a metric over users."""

from __future__ import annotations

import numpy as np

from models.metrics.hits import Values


def mean(values: Values, weights: Values | None = None) -> float:
    """Mean of [num_users] values, weighted if asked; a user whose value is NaN is left out. NaN without any user."""
    known = ~np.isnan(values)
    if not known.any():
        return float("nan")
    return float(np.average(values[known], weights=None if weights is None else weights[known]))
