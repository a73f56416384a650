"""Which entries stand at which positions by hand: pins, then promoted items."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

from models.selection.control import Control
from models.selection.pool import Pool


class Mark(StrEnum):
    """Why an item stands where it stands."""

    RANKED = "ranked"
    EXPLORED = "explored"
    PINNED = "pinned"
    PROMOTED = "promoted"


class Placement(NamedTuple):
    """An entry of the pool, and what put it there."""

    entry: int
    mark: Mark


def placements(control: Control, pool: Pool, limit: int) -> dict[int, Placement]:
    """By position below `limit`. An item that has no place in the pool is passed over: its user may not see it, or no
    model knows it. A pinned item is not promoted as well.
    """
    placed: dict[int, Placement] = {}
    taken: set[int] = set()
    for position, item_id in control.pins.items():
        entry = pool.places.get(item_id)
        if entry is not None and position < limit:
            placed[position] = Placement(entry, Mark.PINNED)
            taken.add(int(pool.item_rows[entry]))
    entries = (pool.places[item_id] for item_id in control.promoted if item_id in pool.places)
    for position in sorted(control.promoted_positions):
        entry = next((one for one in entries if pool.item_rows[one] not in taken), None)
        if entry is None or position >= limit:
            break
        placed[position] = Placement(entry, Mark.PROMOTED)
    return placed
