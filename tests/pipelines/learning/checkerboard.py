"""A world with a known answer: even users like even items, odd users odd ones; each goes round its half in order."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl

from cluster.lake import Lake
from models.events import EventType
from models.tables import Table

START = datetime(2026, 1, 1, tzinfo=UTC)


def checkerboard(folder: Path, num_users: int, num_items: int, num_laps: int = 1) -> Lake:
    """A lake in which user u starts at item u (of its half) and takes one item after the other.

    Of every lap the last item is the one before the start: withheld, it is the only right answer.
    """
    rows = []
    half = num_items // 2
    for user in range(num_users):
        for step in range(num_laps * half - 1):
            item = 2 * ((user // 2 + step) % half) + user % 2
            moment = START + timedelta(minutes=step)
            rows.append(
                (f"u{user:05}-{step}", f"u{user:05}", f"i{item:03}", EventType.CLICK.value, moment, moment.date())
            )
    names = ["interaction_id", "user_id", "item_id", "event_type", "timestamp", "date"]
    frame = pl.DataFrame(rows, schema=names, orient="row").with_columns(pl.col("timestamp").dt.cast_time_unit("us"))
    lake = Lake(str(folder / "lake"))
    lake.append(Table.INTERACTIONS, frame.to_arrow())
    return lake
