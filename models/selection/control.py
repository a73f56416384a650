"""What a request, or a merchandiser, says of one row: what is pinned where, promoted, boosted and buried."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from models.errors import InputError
from models.selection.boosts import Boost

MAX_POSITION = 1_000
MAX_ITEMS, MAX_FILTERS = 256, 32


@dataclass(frozen=True, slots=True)
class Control:
    """Positions count from 0. Filters are texts of the language of `models/filters`.

    `pins`: the item at a position. `promoted`: items that fill `promoted_positions` from the top, as far as they reach.
    `boosts`: raise or lower what passes a filter. `buried`: what passes one of them comes behind all else. What is
    pinned or promoted is never buried; it counts for caps, but is not kept out by them. `InputError` when the control
    contradicts itself.
    """

    pins: Mapping[int, str] = field(default_factory=dict)
    promoted: tuple[str, ...] = ()
    promoted_positions: tuple[int, ...] = ()
    boosts: tuple[Boost, ...] = ()
    buried: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for position in (*self.pins, *self.promoted_positions):
            if not 0 <= position < MAX_POSITION:
                raise InputError(f"position {position} is not 0 to {MAX_POSITION - 1}. Count from the top.")
        for item_id, positions in _positions_of(self.pins).items():
            if len(positions) > 1:
                at = " and ".join(map(str, positions))
                raise InputError(f"item {item_id!r} is pinned at {at}. Pin it once.")
        both = sorted(self.pins.keys() & set(self.promoted_positions))
        if both:
            raise InputError(
                f"position {both[0]} is both pinned to {self.pins[both[0]]!r} and promoted. Take it out of one."
            )
        for what, given in (("position", self.promoted_positions), ("item", self.promoted)):
            twice = _first_repeated(given)
            if twice is not None:
                raise InputError(f"{what} {twice!r} is promoted twice. Name it once.")
        num_items, num_filters = len(self.pins) + len(self.promoted), len(self.boosts) + len(self.buried)
        if num_items > MAX_ITEMS or num_filters > MAX_FILTERS:
            raise InputError(
                f"{num_items} items and {num_filters} filters; at most {MAX_ITEMS} items are pinned or promoted, and "
                f"{MAX_FILTERS} filters boost or bury. Name fewer."
            )


def joined(asked: Control, standing: Control) -> Control:
    """What a request asks for, and of what stands for every request all that does not contradict it and fits in.

    The request's pins come first, its boosts last, and where it promotes, nothing that stands is promoted: it has the
    last word.
    """
    items, positions = set(asked.pins.values()), set(asked.promoted_positions)
    pins = {
        position: item_id
        for position, item_id in standing.pins.items()
        if position not in asked.pins and position not in positions and item_id not in items
    }
    num_items = len(asked.pins) + len(asked.promoted)
    pins = dict(list(pins.items())[: max(0, MAX_ITEMS - num_items)])
    promoted, promoted_positions = (standing.promoted, standing.promoted_positions) if not asked.promoted else ((), ())
    taken = {*asked.pins, *pins, *positions}
    num_filters = len(asked.boosts) + len(asked.buried)
    boosts = standing.boosts[: MAX_FILTERS - num_filters]
    return Control(
        {**asked.pins, **pins},
        asked.promoted + promoted[: max(0, MAX_ITEMS - num_items - len(pins))],
        asked.promoted_positions + tuple(one for one in promoted_positions if one not in taken),
        boosts + asked.boosts,
        asked.buried + standing.buried[: max(0, MAX_FILTERS - num_filters - len(boosts))],
    )


def _positions_of(pins: Mapping[int, str]) -> dict[str, list[int]]:
    positions: dict[str, list[int]] = {}
    for position in sorted(pins):
        positions.setdefault(pins[position], []).append(position)
    return positions


def _first_repeated(values: Sequence[object]) -> object | None:
    seen: set[object] = set()
    for value in values:
        if value in seen:
            return value
        seen.add(value)
    return None


NO_CONTROL = Control()
