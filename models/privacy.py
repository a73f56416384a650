"""What stands where a user's id must not stand, and what of a user is never a feature.

`ANONYMOUS_ID` is the user of every event and exposure of people who refused personalization: it counts, and says
nothing of anybody. It is reserved: what is posted under it belongs to nobody.
"""

from __future__ import annotations

import re

from models.events import MAX_ID_BYTES

ANONYMOUS_ID = "(anonymous)"

ERASED_ID = "(erased)".ljust(MAX_ID_BYTES + 1, ".")
"""Takes the place of an erased id in a vocabulary, whose rows must not move. Longer than an id may be."""

EMAIL = "email"
"""Name of the attribute that is kept encrypted."""

_EMAIL_NAMES = frozenset({"email", "emailaddress", "mail"})
_ADDRESS = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
MAX_EMAIL_BYTES = 254


def is_email_name(name: str) -> bool:
    """True for `email`, `E-Mail`, `e_mail` and their likes: the letters decide."""
    return "".join(letter for letter in name.casefold() if letter.isalpha()) in _EMAIL_NAMES


def is_email(text: str) -> bool:
    """True when the text looks like an address, and no longer than one may be."""
    return len(text.encode(errors="replace")) <= MAX_EMAIL_BYTES and _ADDRESS.fullmatch(text.strip()) is not None
