"""How the online stores write things down: log entries, event types and the ids they have taken.

Both back ends keep the same bytes, so that what one has written the other could read.
"""

from __future__ import annotations

import hashlib
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from operator import attrgetter
from typing import Any

import orjson

from cluster.online.event_log import Entry, Logged, Undecodable
from models.events import EventType, Interaction
from models.exposures import Exposure
from models.quarantine import Rejected

INTERACTION = 1
EXPOSURE = 2
REJECTED = 3
LAKE_ONLY = 16
"""What a log entry is, as stored beside its body; `LAKE_ONLY` is added to one that was counted before."""

FIRST_NEGATIVE_CODE = 100
EVENT_CODES = {
    EventType.VIEW: 1,
    EventType.CLICK: 2,
    EventType.PURCHASE: 3,
    EventType.RATING: 4,
    EventType.LIKE: 5,
    EventType.DISLIKE: FIRST_NEGATIVE_CODE,
    EventType.HIDE: FIRST_NEGATIVE_CODE + 1,
}
"""Event types as stored in histories. Written to disk: add codes, never change one."""

EVENT_OF_CODE = {code: event_type for event_type, code in EVENT_CODES.items()}

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_INTERACTION_FIELDS = tuple(field.name for field in fields(Interaction))
_EXPOSURE_FIELDS = tuple(field.name for field in fields(Exposure))
_interaction_values = attrgetter(*_INTERACTION_FIELDS)
_exposure_values = attrgetter(*_EXPOSURE_FIELDS)
_REJECTED_FIELDS = tuple(field.name for field in fields(Rejected))
_rejected_values = attrgetter(*_REJECTED_FIELDS)


def microseconds(moment: datetime) -> int:
    """UTC microseconds since the epoch, without the rounding of a float."""
    return (moment - _EPOCH) // timedelta(microseconds=1)


def seen_key(interaction_id: str) -> bytes:
    """16 bytes that stand for an id in the de-duplication window: bounded, and no personal data in clear.

    At 128 bits two ids of ten billion share a key with probability below 1e-18.
    """
    return hashlib.blake2b(interaction_id.encode(), digest_size=16).digest()


def encode(entry: Entry) -> tuple[int, bytes]:
    """Kind and JSON body of a log entry: absent fields left out, the time as UTC microseconds."""
    if isinstance(entry, Interaction):
        kind, names, values = INTERACTION, _INTERACTION_FIELDS, _interaction_values(entry)
    elif isinstance(entry, Exposure):
        kind, names, values = EXPOSURE, _EXPOSURE_FIELDS, _exposure_values(entry)
    else:
        kind, names, values = REJECTED, _REJECTED_FIELDS, _rejected_values(entry)
    body = {name: value for name, value in zip(names, values, strict=True) if value is not None}
    body["timestamp"] = microseconds(entry.timestamp)
    return kind, orjson.dumps(body)


def logged(offset: int, kind: int, body: bytes) -> Logged:
    """The log entry as it lies in a store; never fails."""
    entry: Entry | Undecodable
    try:
        entry = decode(kind & ~LAKE_ONLY, body)
    except (ValueError, TypeError, KeyError, OverflowError) as error:  # JSON, contract and time alike
        entry = Undecodable(f"{type(error).__name__}: {error}")
    return Logged(offset, entry, kind, body, bool(kind & LAKE_ONLY))


def decode(kind: int, body: bytes) -> Entry:
    """The entry that `encode` wrote; `ValueError`, `TypeError`, `KeyError` or `OverflowError` for any other."""
    if kind not in (INTERACTION, EXPOSURE, REJECTED):
        raise ValueError(f"a log entry of kind {kind} is unknown to this Shoal. Update it.")
    values: dict[str, Any] = orjson.loads(body)
    values["timestamp"] = _EPOCH + timedelta(microseconds=values["timestamp"])
    if kind == INTERACTION:
        return Interaction(**values)
    if kind == REJECTED:
        return Rejected(**values)
    absent = {"model_version": None, "fallback": None}
    if values.get("propensities") is not None:
        values["propensities"] = tuple(values["propensities"])
    exposure = Exposure(**{**absent, **values, "item_ids": tuple(values["item_ids"])})
    texts = (exposure.recommendation_id, exposure.user_id, exposure.surface, *exposure.item_ids)
    if not all(isinstance(text, str) for text in texts):
        raise TypeError("an id or the surface of an exposure is no text")
    return exposure
