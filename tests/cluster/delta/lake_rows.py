"""Rows for the tests of the lake, and a way to make what was written look old."""

from __future__ import annotations

import json
import os
import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pyarrow as pa

from cluster.delta.lake import Lake
from models.tables import TABLES, Table

DAY = date(2026, 1, 31)
NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)


def events(*ids: str, day: date = DAY, user: str = "u") -> pa.Table:
    """One view an id, of an item of that id."""
    moment = datetime(day.year, day.month, day.day, 12, tzinfo=UTC)
    rows = [
        {"interaction_id": i, "user_id": user, "item_id": i, "event_type": "view", "timestamp": moment, "date": day}
        for i in ids
    ]
    return pa.Table.from_pylist(rows, TABLES[Table.INTERACTIONS].schema)


def ids(lake: Lake, **at: int) -> list[str]:
    """Ids of all events, sorted."""
    return sorted(lake.read(Table.INTERACTIONS, ["interaction_id"], **at)["interaction_id"].to_pylist())


def age(lake: Lake, table: Table, days: float) -> None:
    """Make everything that a local table holds, its commits too, older by so many days."""
    folder = Path(lake.table_uri(table))
    for log in folder.glob("_delta_log/*.json"):
        lines = [json.loads(line) for line in log.read_text().splitlines()]
        for line in lines:
            for action, key in (("commitInfo", "timestamp"), ("remove", "deletionTimestamp")):
                if action in line:
                    line[action][key] -= int(timedelta(days).total_seconds() * 1000)
        log.write_text("\n".join(json.dumps(line) for line in lines))
    for file in folder.rglob("*"):
        if file.is_file():
            moment = file.stat().st_mtime - timedelta(days).total_seconds()
            os.utime(file, (moment, moment))


def wait_a_moment() -> None:
    """Until the clock of the log, in milliseconds, has moved on."""
    time.sleep(0.01)
