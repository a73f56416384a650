"""Synthetic lakes of any number of events, written fast: uniform users and items over ten days."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from cluster.delta.lake import Lake
from models.events import INTERACTIONS
from models.tables import Table

EVENTS_A_USER = 50
_START = datetime(2026, 1, 1, tzinfo=UTC)
_DAYS = 10
_CHUNK = 1_000_000


def write_log(lake: Lake, num_events: int, num_items: int = 100_000, guests: Sequence[str] = ()) -> None:
    """Append `num_events` clicks of one user in `EVENTS_A_USER` events, a commit a chunk of a day.

    `guests`: users who have one event in every chunk each, among those of others.
    """
    random = np.random.default_rng(num_events)
    num_users = max(10, num_events // EVENTS_A_USER)
    written = 0
    for day in range(_DAYS):
        left = num_events * (day + 1) // _DAYS - written
        while left:
            size = min(left, _CHUNK)
            lake.append(Table.INTERACTIONS, _clicks(random, size, written, day, num_users, num_items, guests))
            written, left = written + size, left - size


def _clicks(
    random: np.random.Generator,
    size: int,
    first: int,
    day: int,
    num_users: int,
    num_items: int,
    guests: Sequence[str] = (),
) -> pa.Table:
    seats = np.zeros(size, np.bool_)
    seats[np.linspace(0, size - 1, len(guests), dtype=np.int64)] = True
    moment = int((_START + timedelta(days=day)).timestamp() * 1e6)
    made = {
        "interaction_id": _ids("e", np.arange(first, first + size)),
        "user_id": pc.replace_with_mask(
            _ids("u", random.integers(0, num_users, size)), seats, pa.array(guests, pa.string())
        ),
        "item_id": _ids("i", random.integers(0, num_items, size)),
        "event_type": pa.repeat("click", size),
        "timestamp": pa.array(moment + random.integers(0, 86_400_000_000, size), pa.timestamp("us", "UTC")),
        "date": pa.repeat(pa.scalar(date(2026, 1, 1 + day), pa.date32()), size),
    }
    columns = [
        made[field.name].cast(field.type) if field.name in made else pa.nulls(size, field.type)
        for field in INTERACTIONS
    ]
    return pa.Table.from_arrays(columns, schema=INTERACTIONS)


def _ids(prefix: str, numbers: NDArray[np.int64]) -> pa.Array:
    return pc.binary_join_element_wise(prefix, pc.cast(pa.array(numbers), pa.string()), "")
