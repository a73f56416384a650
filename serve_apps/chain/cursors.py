"""The cursors of home: what is left of a list travels with its reader, signed, and any replica can go on with it."""

from __future__ import annotations

import time

from models.selection import Cursor, sign, verified

LIFE_S = 1_800
"""How long after the first page of a list the last one may be asked for."""
LIST_LENGTH = 100
"""Items of a list that is read page by page, at most, or those of its first page when that is longer."""


class Cursors:
    """`key`: the same in every replica of a deployment, so that each can read what another wrote."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def write(self, cursor: Cursor, user_id: str) -> str:
        """The text that a client sends back for the next page."""
        return sign(cursor, user_id, self._key)

    def read(self, text: str, user_id: str) -> Cursor:
        """`InputError` for one that was changed, is another user's, or has expired."""
        return verified(text, user_id, self._key, time.time())

    @staticmethod
    def expiry() -> int:
        """Until when a list that is made now can be read on, seconds since 1970."""
        return int(time.time()) + LIFE_S
