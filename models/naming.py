"""Whether a text names a user: a bad record, half a line of any format, or the body of a log entry."""

from __future__ import annotations

import json
from collections.abc import Collection


def names_user(text: str, user_ids: Collection[str]) -> bool:
    """True when one of the ids stands in the text with nothing like an id before or behind it.

    A record may be half a line of any format, so this errs on the side of erasing: a bad record has no other use than
    to be mended and sent again.
    """
    for user_id in user_ids:
        for form in forms(user_id):
            start = text.find(form)
            while start >= 0:
                end = start + len(form)
                if not _goes_on(text[start - 1 : start]) and not _goes_on(text[end : end + 1]):
                    return True
                start = text.find(form, start + 1)
    return False


def forms(user_id: str) -> set[str]:
    """An id as it is, and as it stands in JSON."""
    return {user_id, json.dumps(user_id)[1:-1], json.dumps(user_id, ensure_ascii=False)[1:-1]}


def _goes_on(letter: str) -> bool:
    return bool(letter) and (letter.isalnum() or letter in "_-")
