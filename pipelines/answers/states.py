"""Users as of now, from blocks of sequences, or from profiles alone."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import datetime

import pyarrow as pa
import pyarrow.compute as pc

from cluster.delta.lake import Lake
from models.events import EventType
from models.profiles import parse_attributes
from models.tables import Table
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


def without_events(lake: Lake, user_ids: Collection[str], now: datetime) -> Iterator[UserState]:
    """Users of whom the log knows nothing, each once: those that have a profile with it, then the others."""
    left = set(user_ids)
    for batch in lake.batches(Table.USERS, ["user_id", "country", "attributes"]) if left else ():
        wanted = batch.filter(pc.is_in(batch["user_id"].cast(pa.string()), pa.array(left, pa.string())))
        for row in wanted.to_pylist():
            if row["user_id"] in left:
                left.discard(row["user_id"])
                yield UserState(row["user_id"], now, (), row["country"], parse_attributes(row["attributes"]))
    for user_id in sorted(left):
        yield UserState(user_id, now)
