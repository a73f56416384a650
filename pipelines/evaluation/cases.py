"""Evaluation cases: a user as of a moment, and the new items they then turned to."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import polars as pl
import pyarrow as pa
from ray.data import Dataset

from models.events import EventType
from models.profiles import parse_attributes
from models.user_state import EPOCH, HistoryEvent, UserState
from models.vocabulary import hash_bucket
from pipelines.learning.data.corpus import explode
from pipelines.learning.data.split import TEST, VALIDATION, Split

_BLOCK_USERS = 512


@dataclass(frozen=True, slots=True)
class EvaluationCase:
    """`relevant`: items to be found. `user.seen` is masked, so no item of it can be relevant."""

    user: UserState
    relevant: frozenset[str]


def evaluation_cases(sequences: Dataset, split: Split, part: int, limit: int) -> list[EvaluationCase]:
    """`sample_cases` of all sequences."""
    blocks = sequences.iter_batches(batch_size=_BLOCK_USERS, batch_format="pyarrow")
    return sample_cases(blocks, split, part, limit)


def sample_cases(blocks: Iterable[pa.Table], split: Split, part: int, limit: int) -> list[EvaluationCase]:
    """Up to `limit` cases of one part (VALIDATION or TEST): of the users whose hash is smallest, in that order.

    Blocks arrive in any order; by a hash the same log gives the same cases, and so the same figures, every time.
    """
    kept: list[tuple[int, EvaluationCase]] = []
    for block in blocks:
        if kept and len(kept) >= limit:
            block = block.filter(
                pa.array([_hash(user_id) < kept[-1][0] for user_id in block["user_id"].to_pylist()], pa.bool_())
            )
        found = ((_hash(case.user.user_id), case) for case in cases_of(block, split, part))
        kept = sorted([*kept, *found], key=lambda at: at[0])[:limit]
    return [case for _, case in kept]


def known_users(sequences: Dataset, split: Split, part: int) -> dict[str, UserState]:
    """By id, the users of the sequences as of just before `part` (see `users_before`)."""
    return {
        user.user_id: user
        for block in sequences.iter_batches(batch_size=_BLOCK_USERS, batch_format="pyarrow")
        for user in users_before(block, split, part)
    }


def cases_of(block: pa.Table, split: Split, part: int) -> Iterator[EvaluationCase]:
    """One case a user who has events in `part`; their history is all that came before the first of them."""
    assert part in (VALIDATION, TEST)
    for user in split.label(explode(block)).partition_by("user_id", maintain_order=True):
        held_out = user["label"] == part
        if not held_out.any():
            continue
        yield EvaluationCase(_as_of(user, held_out, split, part), frozenset(user.filter(held_out)["item_id"]))


def users_before(block: pa.Table, split: Split, part: int) -> Iterator[UserState]:
    """Every user as of just before their first event in `part`; one without any, as of their last event."""
    for user in split.label(explode(block)).partition_by("user_id", maintain_order=True):
        yield _as_of(user, user["label"] == part, split, part)


def _as_of(user: pl.DataFrame, held_out: pl.Series, split: Split, part: int) -> UserState:
    first = held_out.arg_max() if held_out.any() else None
    moment = len(user) - 1 if first is None else first
    # The pairs of a given split may lie anywhere in the sequence: all the others are known.
    before = user.filter(user["label"] < part) if split.protocol == "given" else user[:first]
    return _state(before, user.row(moment, named=True))


def _state(events: pl.DataFrame, now: dict[str, Any]) -> UserState:
    """After `events`, as of the event `now`."""
    history = tuple(
        HistoryEvent(item_id, EventType(event_type), timestamp_us)
        for item_id, event_type, timestamp_us in events.select("item_id", "event_type", "timestamp_us").iter_rows()
    )
    moment = EPOCH + timedelta(microseconds=now["timestamp_us"])
    return UserState(now["user_id"], moment, history, now["country"], parse_attributes(now["attributes"]))


def _hash(user_id: str) -> int:
    return hash_bucket(user_id, 1 << 63)
