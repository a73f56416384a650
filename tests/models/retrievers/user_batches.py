"""Users as retrievers see them: nothing but histories."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from models.features import UserBatch, no_profiles, pad_history


def users(*histories: Sequence[int], length: int = 8) -> UserBatch:
    """A batch of users with these item rows, oldest first."""
    nothing = np.zeros(len(histories), np.int64)
    padded = np.stack([pad_history(rows, length) for rows in histories])
    return UserBatch(nothing, nothing, padded, nothing, no_profiles(len(histories)))
