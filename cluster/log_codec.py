"""Entries of the event log as JSON bytes and back; both store back ends write the same bytes."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from models.events import EventType, Interaction
from models.exposures import Exposure

INTERACTION = "interaction"
EXPOSURE = "exposure"


def encode(entry: Interaction | Exposure) -> bytes:
    """Compact JSON; times as ISO-8601, absent fields left out."""
    fields = {name: value for name, value in asdict(entry).items() if value is not None}
    fields["timestamp"] = entry.timestamp.astimezone(UTC).isoformat()
    return json.dumps(fields, separators=(",", ":"), ensure_ascii=False).encode()


def decode(kind: str, body: bytes) -> Interaction | Exposure:
    """The entry that `encode` wrote under `kind`."""
    fields: dict[str, Any] = json.loads(body)
    fields["timestamp"] = datetime.fromisoformat(fields["timestamp"])
    if kind == INTERACTION:
        fields["event_type"] = EventType(fields["event_type"])
        return Interaction(**fields)
    absent = {"model_version": None, "fallback": None}
    return Exposure(**{**absent, **fields, "item_ids": tuple(fields["item_ids"])})
