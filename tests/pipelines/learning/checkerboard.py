"""A world whose right answer is known: even users like even items, odd users odd ones, and each misses one.

User n has clicked every item of their half but item n, in the order n + 2, n + 4, … around the half, and ends on
it: leave-last-out holds out exactly item n. With everything else of their half seen, and nothing of the other half
ever seen together with it, item n is the one right answer.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pyarrow as pa

from cluster.delta.lake import Lake
from models.events import INTERACTIONS, EventType
from models.tables import Table

SIZE = 40
START = datetime(2026, 1, 1, tzinfo=UTC)


def item(n: int) -> str:
    """Id of item n."""
    return f"item-{n:02}"


def user(n: int) -> str:
    """Id of user n."""
    return f"user-{n:02}"


def write_checkerboard(lake: Lake) -> int:
    """Append the world's events; returns their number."""
    rows = []
    for n in range(SIZE):
        for step in range(SIZE // 2):
            moment = START + timedelta(minutes=step * SIZE + n)
            rows.append(
                {
                    "interaction_id": f"{n}-{step}",
                    "user_id": user(n),
                    "item_id": item((n + 2 * (step + 1)) % SIZE),
                    "event_type": EventType.CLICK.value,
                    "timestamp": moment,
                    "date": moment.date(),
                }
            )
    columns = {name: [row.get(name) for row in rows] for name in INTERACTIONS.names}
    lake.append(Table.INTERACTIONS, pa.table(columns, schema=INTERACTIONS))
    return len(rows)
