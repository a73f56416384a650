"""Rows of a log of exposures and events as Ray Data hands them over, made from a few fields."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa

from pipelines.learning.impressions.impressions import ROW

START = datetime(2026, 1, 1, tzinfo=UTC)
START_US = int(START.timestamp()) * 1_000_000
SECOND_US = 1_000_000


def exposure(user: str, recommendation: str, at_s: int, items: str, **fields: Any) -> dict[str, Any]:
    """Items named by single letters, shown at a second."""
    row = {"user_id": user, "recommendation_id": recommendation, "item_ids": list(items), "surface": "home"}
    return {**row, "timestamp": START + timedelta(seconds=at_s), **fields}


def event(
    user: str, item: str, at_s: int | None, kind: str = "click", answers: str | None = None, **fields: Any
) -> dict[str, Any]:
    """One event; `answers` is a recommendation."""
    moment = None if at_s is None else START + timedelta(seconds=at_s)
    row = {"user_id": user, "item_id": item, "event_type": kind, "timestamp": moment, "recommendation_id": answers}
    return {**row, "interaction_id": f"{user}-{item}-{at_s}-{kind}", **fields}


def log(*rows: dict[str, Any]) -> pa.Table:
    """The rows in the one layout."""
    return pa.table({name: [row.get(name) for row in rows] for name in ROW.names}, schema=ROW)
