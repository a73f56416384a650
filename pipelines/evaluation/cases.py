"""Evaluation cases: a user as of a moment, and the new items they then turned to."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import polars as pl
import pyarrow as pa
from ray.data import Dataset

from models.events import EventType
from models.user_state import HistoryEvent, UserState
from pipelines.learning.corpus import explode
from pipelines.learning.split import TEST, VALIDATION, Split

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_BLOCK_USERS = 512


@dataclass(frozen=True, slots=True)
class EvaluationCase:
    """`relevant`: items to be found. `user.seen` is masked, so no item of it can be relevant."""

    user: UserState
    relevant: frozenset[str]


def evaluation_cases(sequences: Dataset, split: Split, part: int, limit: int) -> list[EvaluationCase]:
    """Up to `limit` cases of one part (VALIDATION or TEST), in the sequences' order."""
    cases: list[EvaluationCase] = []
    for block in sequences.iter_batches(batch_size=_BLOCK_USERS, batch_format="pyarrow"):
        cases.extend(cases_of(block, split, part))
        if len(cases) >= limit:
            break
    return cases[:limit]


def cases_of(block: pa.Table, split: Split, part: int) -> Iterator[EvaluationCase]:
    """One case a user who has events in `part`; their history is all that came before the first of them."""
    assert part in (VALIDATION, TEST)
    for user in split.label(explode(block)).partition_by("user_id", maintain_order=True):
        held_out = user["label"] == part
        if not held_out.any():
            continue
        first = held_out.arg_max()
        assert first is not None
        # The pairs of a given split may lie anywhere in the sequence: all the others are known.
        before = user.filter(user["label"] < part) if split.protocol == "given" else user[:first]
        yield EvaluationCase(
            _state(before, user["user_id"][0], user["country"][first], user["timestamp_us"][first]),
            frozenset(user.filter(held_out)["item_id"]),
        )


def _state(events: pl.DataFrame, user_id: str, country: str | None, now_us: int) -> UserState:
    history = tuple(
        HistoryEvent(item_id, EventType(event_type), timestamp_us)
        for item_id, event_type, timestamp_us in events.select("item_id", "event_type", "timestamp_us").iter_rows()
    )
    return UserState(user_id, _EPOCH + timedelta(microseconds=now_us), history, country)
