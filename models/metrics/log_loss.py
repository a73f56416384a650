"""Log loss: mean negative log-likelihood of binary labels, in nats."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.metrics.hits import Values

_SMALLEST = 1e-7


def sigmoid(scores: NDArray[np.float64]) -> Values:
    """1 / (1 + e^−score); infinite scores give 0 and 1."""
    return np.asarray(0.5 * (1.0 + np.tanh(0.5 * scores)), np.float64)


def log_loss(labels: NDArray[np.bool_], probabilities: Values) -> Values:
    """−log of the probability given to what happened, [num_pairs]; probabilities are kept 1e-7 away from 0 and 1."""
    return np.asarray(-np.log(np.clip(np.where(labels, probabilities, 1.0 - probabilities), _SMALLEST, 1 - _SMALLEST)))
