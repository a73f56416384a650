"""What is known of a user beside country and events: attributes such as age or gender, each a text under a name.

They are personal data: they are written to no log, and a bundle knows them only as buckets of a hash.
"""

from __future__ import annotations

import json

from models.events import MAX_ID_BYTES
from models.privacy import is_email, is_email_name

MAX_ATTRIBUTES = 16
"""Of one user, in order of name."""


def parse_attributes(text: str | None) -> dict[str, str]:
    """The attributes of a JSON object in order of name; numbers and truth values as their JSON.

    Left out: nulls, lists, objects, what is no Unicode text, what is longer than `MAX_ID_BYTES`, which is prose and
    no category, and e-mail addresses under whatever name: no bucket of a hash may stand for one. What is no JSON object
    has none.
    """
    try:
        given = json.loads(text) if text else {}
    except (ValueError, RecursionError):
        return {}
    if not isinstance(given, dict):
        return {}
    flat = {
        name: value if isinstance(value, str) else json.dumps(value)
        for name, value in sorted(given.items())
        if value is not None and not isinstance(value, list | dict)
    }
    kept = [(name, value) for name, value in flat.items() if _is_short(name) and _is_short(value)]
    kept = [(name, value) for name, value in kept if not is_email_name(name) and not is_email(value)]
    return dict(kept[:MAX_ATTRIBUTES])


def _is_short(text: str) -> bool:
    try:
        return len(text.encode()) <= MAX_ID_BYTES
    except UnicodeEncodeError:
        return False
