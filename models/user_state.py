"""What is known of a user at one moment: the input of every recommendation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from models.events import NEGATIVE_TYPES, EventType

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class HistoryEvent:
    """One past event as the online store keeps it. `timestamp_us`: UTC microseconds, 0 when unknown."""

    item_id: str
    event_type: EventType
    timestamp_us: int


@dataclass(frozen=True, slots=True)
class UserState:
    """A user as of `now`: events oldest first, both liked and disliked ones.

    `attributes`: see `models/profiles.py`. They are personal data and not in the text of a state.
    """

    user_id: str
    now: datetime
    history: tuple[HistoryEvent, ...] = ()
    country: str | None = None
    attributes: Mapping[str, str] = field(default_factory=dict, repr=False, hash=False)

    @property
    def now_us(self) -> int:
        """`now` as UTC microseconds."""
        return (self.now - EPOCH) // timedelta(microseconds=1)

    @property
    def positives(self) -> tuple[str, ...]:
        """Items of positive events, oldest first, repeats kept."""
        return tuple(e.item_id for e in self.history if e.event_type not in NEGATIVE_TYPES)

    @property
    def hidden(self) -> frozenset[str]:
        """Items the user disliked or hid: never shown again."""
        return frozenset(e.item_id for e in self.history if e.event_type in NEGATIVE_TYPES)

    @property
    def seen(self) -> frozenset[str]:
        """Every item of the history."""
        return frozenset(e.item_id for e in self.history)
