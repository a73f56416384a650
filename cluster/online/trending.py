"""What is trending, and counters of items and users: what a part of the log adds up to.

The weight of an item is the sum over its events of 2^(−age / half-life): exponential decay. It is kept in the
forward form of Cormode, Shkapenyuk, Srivastava and Xu, "Forward Decay: A Practical Time Decay Model for Streaming
Systems" (ICDE 2009): weigh an event by when it happened, and nothing has to be decayed later. Ours is the logarithm of
their sum, in seconds:

    moment = half_life · log2 Σ 2^(time / half_life)         weight at now = 2^((moment − now) / half_life)

A moment is the time at which one single event would weigh as much. Moments order items at any time, a late event adds
to them just as if it had come in time, and they do not overflow.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import orjson

from cluster.online.event_log import Logged
from cluster.online.leases import Lease
from models.events import NEGATIVE_TYPES, EventType, Interaction
from models.exposures import Exposure

SHOWN = "shown"
COUNTED = (*(str(kind) for kind in EventType), SHOWN)
"""Names of the counters of an item or a user: one for each event type, and how often it, or something to them, was
shown. Columns of the SQLite file: add at the end."""

LIST_LENGTH = 1_000
"""Items kept of each list and, on Redis, partition: some five times what one would ask for, so that a rising item is
not cut before it has risen."""
LIST_LIFE_HALF_LIVES = 20
"""An item, and a list, without an event for so many half-lives is forgotten: a millionth of its weight is left."""
COUNTERS_LIFE_S = 180 * 86_400
"""How long the counters of an item or user outlive the last event that counted."""
SURFACE_LIFE_S = 3_600
"""How long it is known on which surface a recommendation was shown; an event that comes later counts without one."""


@dataclass(frozen=True, slots=True)
class Trend:
    """An item that is trending; `weight` is its decayed number of events as of now."""

    item_id: str
    weight: float


@dataclass(frozen=True, slots=True)
class Tally:
    """What entries add up to: counts by name, moments in seconds by list and item, surfaces of recommendations."""

    half_life_s: float
    items: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    users: Mapping[str, Mapping[str, int]] = field(default_factory=dict, repr=False)
    lists: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    surfaces: Mapping[str, tuple[int, str]] = field(default_factory=dict)
    """Of each recommendation that was shown: offset of the exposure, surface."""
    erased_through: int = 0
    """The newest tombstone that was known when the entries were read: those of erased users are not counted."""


class Tallies(Protocol):
    """Every method raises `StoreError` when the store cannot answer."""

    def add(self, lease: Lease, after: int, through: int, tally: Tally) -> bool:
        """Count, and move the position from `after` to `through`, in one step.

        False, and nothing is done, when the lease is lost, the position is not `after`, or a user was erased since the
        entries were read.
        """

    def surfaces(self, partition: int, recommendation_ids: Sequence[str]) -> dict[str, str]:
        """Surfaces of the recommendations that are known."""

    def trending(self, country: str | None, surface: str | None, n: int) -> list[Trend]:
        """The `n` items of the greatest weight, best first; None is everywhere."""

    def item_counts(self, item_ids: Sequence[str]) -> list[dict[str, int]]:
        """Counters of each item in order, by name, those at 0 left out."""

    def user_counts(self, user_ids: Sequence[str]) -> list[dict[str, int]]:
        """Counters of each user in order, by name, those at 0 left out."""


def tally(entries: Iterable[Logged], surfaces: Mapping[str, str], half_life_s: float, erased_through: int = 0) -> Tally:
    """Add up entries. `surfaces`: what is known of recommendations whose exposures are not among the entries."""
    items: dict[str, Counter[str]] = defaultdict(Counter)
    users: dict[str, Counter[str]] = defaultdict(Counter)
    lists: dict[str, dict[str, float]] = defaultdict(dict)
    shown: dict[str, tuple[int, str]] = {}
    for logged in entries:
        entry = logged.entry
        if logged.lake_only:
            continue
        if isinstance(entry, Exposure):
            shown[entry.recommendation_id] = (logged.offset, entry.surface)
            if entry.user_id:
                users[entry.user_id][SHOWN] += 1
            for item_id in entry.item_ids:
                items[item_id][SHOWN] += 1
        elif isinstance(entry, Interaction):
            items[entry.item_id][str(entry.event_type)] += 1
            users[entry.user_id][str(entry.event_type)] += 1
            if entry.event_type not in NEGATIVE_TYPES:
                recommendation = entry.recommendation_id or ""
                surface = shown[recommendation][1] if recommendation in shown else surfaces.get(recommendation)
                # An event of the future weighs as one of now.
                moment = min(entry.timestamp_us, logged.offset) / 1e6
                for name in _lists(entry.country, surface):
                    before = lists[name].get(entry.item_id)
                    lists[name][entry.item_id] = add_moments(before, moment, half_life_s)
    return Tally(half_life_s, items, users, lists, shown, erased_through)


def add_moments(one: float | None, other: float, half_life_s: float) -> float:
    """Moment of what two moments stand for together."""
    if one is None:
        return other
    return max(one, other) + half_life_s * math.log2(1.0 + 2.0 ** (-abs(one - other) / half_life_s))


def weigh(moment_s: float, now_s: float, half_life_s: float) -> float:
    """The weight that a moment stands for."""
    return float(2.0 ** min((moment_s - now_s) / half_life_s, 1_000.0))


def list_name(country: str | None, surface: str | None) -> str:
    """The name that a list is stored under."""
    return orjson.dumps([surface, country]).decode()


def _lists(country: str | None, surface: str | None) -> set[str]:
    return {list_name(c, s) for c in {country, None} for s in {surface, None}}
