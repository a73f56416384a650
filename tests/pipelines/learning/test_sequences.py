"""Sequences of users from rows in any order."""

from __future__ import annotations

from datetime import UTC, datetime

import pyarrow as pa

from pipelines.learning.sequences import build

MOMENT = datetime(2026, 1, 1, tzinfo=UTC)


def rows(order: str) -> pa.Table:
    """Events of one user at one moment, arriving in this order; each letter is an item and its event's id."""
    return pa.table(
        {
            "user_id": ["ann"] * len(order),
            "item_id": list(order),
            "event_type": ["click"] * len(order),
            "timestamp": pa.array([MOMENT] * len(order), pa.timestamp("us", "UTC")),
            "country": pa.nulls(len(order), pa.string()),
            "interaction_id": list(order),
        }
    )


def test_events_of_one_moment_have_one_order() -> None:
    sequences = [build(rows(order), seed=1)["item_ids"].to_pylist() for order in ("abcd", "dcba", "bdac")]
    assert sequences == [[["a", "b", "c", "d"]]] * 3
