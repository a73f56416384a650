"""The interaction: one thing one user did with one item at one moment.

Ids are opaque UTF-8 strings of 1–128 bytes. Times are UTC microseconds; a log without times is
stored with `timestamp` null and lies in the `UNTIMED_DATE` partition.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum

import pyarrow as pa

from models.errors import InputError

SCHEMA_VERSION = 4
MAX_ID_BYTES = 128
MAX_POSITION = 2**31 - 1
RATING_RANGE = (0.0, 10.0)
UNTIMED_DATE = date(1970, 1, 1)
MAX_CLOCK_SKEW = timedelta(days=1)


class EventType(StrEnum):
    """What a user can do with an item."""

    VIEW = "view"
    CLICK = "click"
    PURCHASE = "purchase"
    RATING = "rating"
    LIKE = "like"
    DISLIKE = "dislike"
    HIDE = "hide"


NEGATIVE_TYPES = frozenset({EventType.DISLIKE, EventType.HIDE})
POSITIVE_TYPES = frozenset(EventType) - NEGATIVE_TYPES

TIMESTAMP = pa.timestamp("us", tz="UTC")

INTERACTIONS = pa.schema(
    [
        pa.field("interaction_id", pa.string(), nullable=False),
        pa.field("user_id", pa.string(), nullable=False),
        pa.field("item_id", pa.string(), nullable=False),
        pa.field("event_type", pa.string(), nullable=False),
        pa.field("timestamp", TIMESTAMP),
        pa.field("rating", pa.float32()),
        pa.field("session_id", pa.string()),
        pa.field("recommendation_id", pa.string()),
        pa.field("position", pa.int32()),
        pa.field("country", pa.string()),
        pa.field("device", pa.string()),
        # Columns of the source that the contract does not name, as one JSON object.
        pa.field("context", pa.string()),
        # Partition key: the UTC day of `timestamp`.
        pa.field("date", pa.date32(), nullable=False),
    ],
    metadata={"schema_version": str(SCHEMA_VERSION)},
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Interaction:
    """One event, valid by construction (`InputError` otherwise)."""

    interaction_id: str
    user_id: str
    item_id: str
    event_type: EventType
    timestamp: datetime
    rating: float | None = None
    session_id: str | None = None
    recommendation_id: str | None = None
    position: int | None = None
    country: str | None = None
    device: str | None = None

    def __post_init__(self) -> None:
        for name in ("interaction_id", "user_id", "item_id"):
            check_id(name, getattr(self, name))
        object.__setattr__(self, "event_type", check_event_type(self.event_type))
        check_timestamp(self.timestamp)
        if self.rating is not None:
            check_rating(self.rating)
        for name in ("session_id", "recommendation_id", "country", "device"):
            if getattr(self, name) is not None:
                check_id(name, getattr(self, name))
        if self.position is not None and not 0 <= self.position <= MAX_POSITION:
            raise InputError(f"position must be 0 to {MAX_POSITION}; got {self.position}. Count from the top.")

    @property
    def timestamp_us(self) -> int:
        """Microseconds since the epoch, UTC."""
        return int(self.timestamp.timestamp()) * 1_000_000 + self.timestamp.microsecond


def check_id(name: str, value: object) -> str:
    """The id itself, or `InputError` when it is not a string of 1–128 UTF-8 bytes."""
    if not isinstance(value, str):
        raise InputError(f"{name} must be a string; got {type(value).__name__}. Send it as text.")
    try:
        num_bytes = len(value.encode())
    except UnicodeEncodeError:
        raise InputError(f"{name} is not valid UTF-8. Send well-formed Unicode text.") from None
    if not 1 <= num_bytes <= MAX_ID_BYTES:
        raise InputError(f"{name} must be 1 to {MAX_ID_BYTES} bytes; got {num_bytes}. Use a shorter id.")
    return value


def check_event_type(value: object) -> EventType:
    """The event type named by `value`, or `InputError` listing the known ones."""
    try:
        return EventType(str(value))
    except ValueError:
        known = ", ".join(EventType)
        raise InputError(f"event_type {str(value)[:40]!r} is unknown. Use one of: {known}.") from None


def check_rating(value: float) -> float:
    """The rating, or `InputError` when it is NaN or outside `RATING_RANGE`."""
    low, high = RATING_RANGE
    if not low <= value <= high:
        raise InputError(f"rating must be between {low:g} and {high:g}; got {value}. Rescale it.")
    return value


def check_timestamp(value: datetime, now: datetime | None = None) -> datetime:
    """The time, or `InputError` when it has no zone, is before 1970 or lies in the future."""
    if value.tzinfo is None:
        raise InputError("timestamp has no time zone. Send UTC, for example 2026-01-31T12:00:00Z.")
    latest = (now or datetime.now(UTC)) + MAX_CLOCK_SKEW
    if not datetime(1970, 1, 1, tzinfo=UTC) <= value <= latest:
        raise InputError(f"timestamp {value.isoformat()} is not between 1970 and {latest:%Y-%m-%d}. Check its unit.")
    return value


def session_user(session_id: str) -> str:
    """The id under which somebody is known by their session alone."""
    known_as = f"session:{session_id}"
    if len(known_as.encode(errors="surrogatepass")) <= MAX_ID_BYTES:
        return known_as
    return f"session:{hashlib.blake2b(session_id.encode(errors='surrogatepass'), digest_size=16).hexdigest()}"


def derive_interaction_id(*parts: object) -> str:
    """A stable id for an event that came without one: equal content gives an equal id."""
    text = "\x1f".join("" if part is None else str(part) for part in parts)
    return hashlib.blake2b(text.encode(errors="surrogatepass"), digest_size=16).hexdigest()
