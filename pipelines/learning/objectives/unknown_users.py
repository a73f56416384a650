"""Training for users who are not known yet: some examples are shown without their user's id.

Dropout of an input as a whole (Volkovs, Yu and Poutanen, "DropoutNet: Addressing Cold Start in Recommender Systems",
2017, section 4).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from models.features import UserBatch
from pipelines.learning.data.known import Known


def unknown_to_some(users: UserBatch, share: float, known: Known, rng: np.random.Generator) -> UserBatch:
    """The users, about `share` of them on one of the reserved rows at the end of the table."""
    num_buckets = known.spec.user_buckets
    reserved = known.sizes.users - num_buckets + rng.integers(0, num_buckets, len(users))
    return replace(users, user=np.where(rng.random(len(users)) < share, reserved, users.user))
