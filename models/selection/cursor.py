"""Pages of one recommendation: a cursor says which recommendation and from where on, and that we said so."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from models.errors import InputError
from models.events import check_id

MIN_KEY_BYTES = 16
MAX_OFFSET = 2**32 - 1
_TAG_BYTES, _MAX_CHARS = 16, 256
_PURPOSE = b"shoal cursor 1\x00"
_OFFSET = struct.Struct(">I")
_Item = TypeVar("_Item")


@dataclass(frozen=True, slots=True)
class Cursor:
    """Where the next page starts: `offset` items into the ordered list of a recommendation."""

    recommendation_id: str
    offset: int

    def __post_init__(self) -> None:
        check_id("recommendation_id", self.recommendation_id)
        if not 0 <= self.offset <= MAX_OFFSET:
            raise InputError(f"an offset is 0 to {MAX_OFFSET}; got {self.offset}.")


def sign(cursor: Cursor, key: bytes) -> str:
    """The cursor as clients carry it: letters, digits, - and _. It can be read by anybody and made by nobody else.

    `key`: 16 bytes or more that stay on the server. The tag is HMAC-SHA-256 (RFC 2104) cut to 128 bits.
    """
    if len(key) < MIN_KEY_BYTES:
        raise InputError(f"the key of cursors has {len(key)} bytes; give it {MIN_KEY_BYTES} or more.")
    body = _OFFSET.pack(cursor.offset) + cursor.recommendation_id.encode()
    return base64.urlsafe_b64encode(_tag(body, key) + body).rstrip(b"=").decode()


def verified(text: str, key: bytes) -> Cursor:
    """The cursor that `sign` made with the same key; `InputError` for any other text."""
    signed = _decoded(text)
    tag, body = signed[:_TAG_BYTES], signed[_TAG_BYTES:]
    if not hmac.compare_digest(tag, _tag(body, key)):
        raise InputError("the cursor was changed, or is none of ours. Send back one as an answer gave it.")
    (offset,) = _OFFSET.unpack_from(body)
    return Cursor(body[_OFFSET.size :].decode(), offset)


def page(items: Sequence[_Item], cursor: Cursor, limit: int) -> tuple[Sequence[_Item], Cursor | None]:
    """The next `limit` items of the whole ordered list, and where the page after them starts; None after the last."""
    if limit < 1:
        raise InputError(f"a page has 1 item or more; got {limit}.")
    end = cursor.offset + limit
    following = Cursor(cursor.recommendation_id, end) if end < len(items) else None
    return items[cursor.offset : end], following


def _decoded(text: str) -> bytes:
    try:
        raw = text.encode("ascii")
        signed = base64.b64decode(raw + b"=" * (-len(raw) % 4), altchars=b"-_", validate=True)
    except (UnicodeEncodeError, binascii.Error):
        signed = b""
    # Written one way only: two texts are never the same cursor.
    if len(text) > _MAX_CHARS or base64.urlsafe_b64encode(signed).rstrip(b"=").decode() != text or not signed:
        raise InputError(f"{text[:40]!r} is no cursor. Send back one as an answer gave it.")
    return signed


def _tag(body: bytes, key: bytes) -> bytes:
    return hmac.new(key, _PURPOSE + body, hashlib.sha256).digest()[:_TAG_BYTES]
