"""Users as of now, from blocks of sequences."""

from __future__ import annotations

from datetime import datetime

import pyarrow as pa

from models.events import EventType
from models.profiles import parse_attributes
from models.user_state import HistoryEvent, UserState


def states(block: pa.Table, now: datetime) -> list[UserState]:
    """One `UserState` for each sequence of the block."""
    return [
        UserState(
            row["user_id"],
            now,
            tuple(
                HistoryEvent(item_id, EventType(event_type), timestamp_us)
                for item_id, event_type, timestamp_us in zip(
                    row["item_ids"], row["event_types"], row["timestamps_us"], strict=True
                )
            ),
            row["country"],
            parse_attributes(row["attributes"]),
        )
        for row in block.to_pylist()
    ]
