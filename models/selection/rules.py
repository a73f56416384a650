"""The rules of a row: what holds for every request of a variant, and what a stage has to fetch for them."""

from __future__ import annotations

from dataclasses import dataclass

from models.selection.blocks import Blocks
from models.selection.caps import Cap
from models.selection.control import NO_CONTROL, Control
from models.selection.dpp import Dpp
from models.selection.exploration import Epsilon, PlackettLuce
from models.selection.freshness import Freshness
from models.selection.mmr import Mmr


@dataclass(frozen=True, slots=True)
class SelectionConfig:
    """Each part is off unless given; with all of them off the row is the head of the list."""

    diversity: Mmr | Dpp | None = None
    caps: tuple[Cap, ...] = ()
    freshness: Freshness | None = None
    exploration: Epsilon | PlackettLuce | None = None
    blocks: Blocks | None = None


PLAIN = SelectionConfig()


@dataclass(frozen=True, slots=True)
class Rules:
    """All that holds for the rows of a variant, merchandising among it."""

    config: SelectionConfig = PLAIN
    control: Control = NO_CONTROL


NO_RULES = Rules()


@dataclass(frozen=True, slots=True)
class Needs:
    """What `select` reads of a pool beside rows and scores. `filters`: texts whose `passes` it asks for;
    `item_ids`: items whose `places` it asks for.
    """

    vectors: bool
    categories: bool
    published: bool
    filters: tuple[str, ...]
    item_ids: tuple[str, ...]


def needs(config: SelectionConfig, control: Control) -> Needs:
    """What a pool must hold for these rules."""
    return Needs(
        config.diversity is not None,
        bool(config.caps),
        config.freshness is not None,
        tuple(dict.fromkeys([*(boost.filter for boost in control.boosts), *control.buried])),
        tuple(dict.fromkeys([*control.pins.values(), *control.promoted])),
    )
