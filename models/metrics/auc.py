"""Area under the ROC curve, over all pairs and within users."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.metrics.hits import Values


def auc(labels: NDArray[np.bool_], scores: NDArray[np.float64]) -> float:
    """Chance that a positive outscores a negative, a tie counting half; NaN when one class is missing.

    The rank statistic of Mann and Whitney (1947): (R − n₊(n₊ + 1)/2) / (n₊ n₋), where R sums the 1-based ranks of
    the positives and tied scores share their mean rank. `scores` hold no NaN (see `against_the_model`).
    """
    return float(user_auc(labels, scores, np.zeros(len(labels), np.int64), 1)[0])


def user_auc(
    labels: NDArray[np.bool_], scores: NDArray[np.float64], users: NDArray[np.int64], num_users: int
) -> Values:
    """AUC within each user, [num_users]; NaN for a user whose pairs are all of one class.

    Its `mean` weighted by each user's number of pairs is group AUC (Zhou et al., 2018, DIN, section 5.2).
    `users` [num_pairs]: the number of each pair's user, in 0 … num_users − 1.
    """
    order = np.lexsort((scores, users))
    user, score, positive = users[order], scores[order], labels[order]
    starts = np.flatnonzero(np.concatenate([[True], (user[1:] != user[:-1]) | (score[1:] != score[:-1])]))[: len(user)]
    lengths = np.diff(np.append(starts, len(user)))
    mean_rank = np.repeat(starts + (lengths + 1) / 2, lengths)
    num_pairs = np.bincount(users, minlength=num_users)
    offset = np.cumsum(num_pairs) - num_pairs
    ranks = np.bincount(user[positive], (mean_rank - offset[user])[positive], num_users)
    num_positive = np.bincount(users[labels], minlength=num_users)
    both = num_positive * (num_pairs - num_positive)
    won = ranks - num_positive * (num_positive + 1) / 2
    return np.where(both > 0, won / np.maximum(both, 1), np.nan)
