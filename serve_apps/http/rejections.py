"""What a write route did not take, as the quarantine keeps it."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from models.events import MAX_ID_BYTES, derive_interaction_id
from models.quarantine import MAX_RECORD_CHARS, Rejected
from models.tables import Table


def rejected(sent: Any, reason: str, path: str, now: datetime) -> Rejected:
    """An event as it was sent to a path, and why it was not taken. Sent again it has the same `quarantine_id`."""
    record = json.dumps(sent, ensure_ascii=False, default=repr)[:MAX_RECORD_CHARS].encode(errors="replace").decode()
    return Rejected(
        quarantine_id=derive_interaction_id(Table.INTERACTIONS.value, path, reason, record),
        table=Table.INTERACTIONS.value,
        source_file=f"POST {path}",
        reason=reason.encode(errors="replace").decode(),
        record=record,
        user_id=_user_id(sent),
        timestamp=now,
    )


def _user_id(sent: Any) -> str:
    """Whose event it is, as far as it says so in the form of an id."""
    found = sent.get("user_id") if isinstance(sent, dict) else None
    text = found.encode(errors="replace") if isinstance(found, str) else b""
    return text.decode() if len(text) <= MAX_ID_BYTES else ""
