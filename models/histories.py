"""Histories of the length that a model was trained with."""

from __future__ import annotations

from models.features import UserBatch


def newest(users: UserBatch, length: int) -> UserBatch:
    """The users with no more than the newest `length` places of their history, [batch, length]."""
    start = max(users.history.shape[1] - length, 0)
    return UserBatch(users.user, users.country, users.history[:, start:], users.now_us)
