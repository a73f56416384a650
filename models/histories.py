"""Histories of the length that a model was trained with."""

from __future__ import annotations

from dataclasses import replace

from models.features import UserBatch


def newest(users: UserBatch, length: int) -> UserBatch:
    """The users with no more than the newest `length` places of their history, [batch, length]."""
    start = max(users.history.shape[1] - length, 0)
    return replace(users, history=users.history[:, start:])
