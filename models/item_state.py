"""What an answer has to know of an item now: whether, where and until when it may be shown, and what it is called."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import orjson

from models.catalogue_entries import ItemEntry
from models.user_state import EPOCH


@dataclass(frozen=True, slots=True)
class ItemState:
    """`expires_us`: UTC microseconds. `countries`: where it may be shown, None everywhere."""

    blocked: bool = False
    expires_us: int | None = None
    countries: tuple[str, ...] | None = None
    title: str | None = None
    categories: tuple[str, ...] = ()

    @property
    def restricted(self) -> bool:
        """True when somebody, at some time, must not see it."""
        return self.blocked or self.expires_us is not None or self.countries is not None

    @classmethod
    def of(cls, entry: ItemEntry | None) -> ItemState:
        """The state of an entry; None is a deleted item."""
        if entry is None:
            return cls(blocked=True)
        return cls(
            entry.available is False,
            None if entry.expires_at is None else (entry.expires_at - EPOCH) // timedelta(microseconds=1),
            None if entry.countries is None else tuple(sorted(set(entry.countries))),
            entry.title,
            tuple(entry.categories or ()),
        )

    def to_bytes(self) -> bytes:
        """As the store keeps it: some 40 bytes and the texts."""
        values = (self.blocked, self.expires_us, self.countries, self.title, self.categories)
        return orjson.dumps(values)

    @classmethod
    def from_bytes(cls, kept: bytes) -> ItemState:
        """What `to_bytes` wrote."""
        blocked, expires_us, countries, title, categories = orjson.loads(kept)
        return cls(blocked, expires_us, None if countries is None else tuple(countries), title, tuple(categories))
