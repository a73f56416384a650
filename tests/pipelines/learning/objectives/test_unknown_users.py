"""Some users are shown as unknown: about as many as asked, on reserved rows alone."""

from __future__ import annotations

import numpy as np

from models.features import FeatureSpec, UserBatch, item_features, no_profiles
from models.model_config import TableSizes
from models.seeds import generator
from pipelines.learning.data.known import Known
from pipelines.learning.objectives.unknown_users import unknown_to_some

SPEC = FeatureSpec(user_buckets=4)
KNOWN = Known(TableSizes.of(SPEC, 100, 1), item_features(SPEC, [[]], np.ones(1, np.int64), -np.ones(1, np.int64)),
              np.ones(1, np.int64), SPEC)  # fmt: skip


def shown(share: float) -> np.ndarray:
    """User rows of 1,000 examples of known users."""
    zero = np.zeros(1_000, np.int64)
    users = UserBatch(np.arange(1_000) % 100, zero, np.zeros((1_000, 0), np.int32), zero, no_profiles(1_000))
    return unknown_to_some(users, share, KNOWN, generator(3)).user


def test_about_the_share_is_unknown_and_on_every_reserved_row() -> None:
    rows = shown(0.25)
    assert 200 < (rows >= 100).sum() < 300
    assert set(rows[rows >= 100]) == {100, 101, 102, 103}
    assert (rows[rows < 100] == (np.arange(1_000) % 100)[rows < 100]).all()


def test_none_and_all() -> None:
    assert (shown(0.0) == np.arange(1_000) % 100).all()
    assert (shown(1.0) >= 100).all()
