"""What is known of a user at one moment: the input of every recommendation."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from models.events import NEGATIVE_TYPES, EventType


@dataclass(frozen=True, slots=True)
class HistoryEvent:
    """One past event as the online store keeps it. `timestamp_us`: UTC microseconds, 0 when unknown."""

    item_id: str
    event_type: EventType
    timestamp_us: int


@dataclass(frozen=True, slots=True)
class UserState:
    """A user as of `now`: events oldest first, both liked and disliked ones."""

    user_id: str
    now: datetime
    history: tuple[HistoryEvent, ...] = ()
    country: str | None = None

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
