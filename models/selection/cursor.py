"""Pages of one recommendation: a cursor holds what is left of its list, so that no server has to keep it.

    base64url( tag · length of head · head · rows · scores · sources and reasons · marks · propensities )

The tag is HMAC-SHA-256 (RFC 2104), cut to 128 bits, over the user's id and all behind it. Anybody can read a cursor,
nobody else can make one, and it is worth nothing in the hands of another user.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import orjson

from models.errors import InputError
from models.selection.listing import Listing
from models.selection.placements import Mark

MIN_KEY_BYTES = 16
MAX_CHARS = 8_000
"""Of a cursor: it has to fit into the address of a request."""
_MAX_TEXT_BYTES = 3_500
"""Of reasons, and of ids beyond the rows of a bundle, in one cursor; the list ends there."""
_TAG_BYTES = 16
_PURPOSE = b"shoal cursor 2\x00"
_LENGTH = struct.Struct(">H")
_MARKS = tuple(Mark)
_ROWS, _SCORES = np.dtype("<i4"), np.dtype("<f4")


@dataclass(frozen=True, slots=True)
class Cursor:
    """What the next page is cut from.

    `num_above`: items on the pages before. `version`: of the bundle whose rows `rest` holds; `unlisted`: ids of the
    items that it does not know, by their places in `rest`. `variant`, `propensity`, `rung` and `cause` are those of the
    first page. `expires_s`: seconds since 1970.
    """

    recommendation_id: str
    version: str
    variant: str
    propensity: float
    num_above: int
    expires_s: int
    rest: Listing
    unlisted: Mapping[int, str] = field(default_factory=dict)
    rung: str | None = None
    cause: str | None = None


def sign(cursor: Cursor, user_id: str, key: bytes) -> str:
    """The cursor as clients carry it: letters, digits, - and _. `key`: 16 bytes or more that stay on the servers."""
    if len(key) < MIN_KEY_BYTES:
        raise InputError(f"the key of cursors has {len(key)} bytes; give it {MIN_KEY_BYTES} or more.")
    body = _packed(cursor)
    return base64.urlsafe_b64encode(_tag(body, user_id, key) + body).rstrip(b"=").decode()


def verified(text: str, user_id: str, key: bytes, now_s: float) -> Cursor:
    """The cursor that `sign` made for the same user with the same key; `InputError` for any other text, or too late."""
    signed = _decoded(text)
    tag, body = signed[:_TAG_BYTES], signed[_TAG_BYTES:]
    if not hmac.compare_digest(tag, _tag(body, user_id, key)):
        raise InputError(
            "the cursor was changed, is another user's, or is none of ours. Send back the one of this user's last page."
        )
    cursor = _unpacked(body)
    if cursor.expires_s <= now_s:
        raise InputError("the cursor has expired. Ask for a new list, without a cursor.")
    return cursor


def _packed(cursor: Cursor) -> bytes:
    rest = _what_fits(cursor)
    ids = {str(place): item_id for place, item_id in cursor.unlisted.items() if place < len(rest)}
    origins, origin_of = _origins(rest)
    head = orjson.dumps(
        (
            cursor.recommendation_id,
            cursor.version,
            cursor.variant,
            cursor.propensity,
            cursor.num_above,
            cursor.expires_s,
            ids,
            cursor.rung,
            cursor.cause,
            origins,
            len(rest),
        )
    )
    parts = [
        _LENGTH.pack(len(head)),
        head,
        rest.item_rows.astype(_ROWS).tobytes(),
        rest.scores.astype(_SCORES).tobytes(),
        origin_of,
        _numbers_of_marks(rest.marks),
    ]
    if rest.propensities is not None:
        parts.append(rest.propensities.astype(_SCORES).tobytes())
    return b"".join(parts)


def _what_fits(cursor: Cursor) -> Listing:
    """The list, ended where its texts would take too much room."""
    origins, origin_of = _origins(cursor.rest)
    if len(origins) < 2 and not cursor.unlisted:
        return cursor.rest
    size, seen = 0, set()
    for place, number in enumerate(origin_of):
        if number not in seen:
            seen.add(number)
            size += len(orjson.dumps(origins[number]))
        if place in cursor.unlisted:
            size += len(orjson.dumps(cursor.unlisted[place]))
        if size > _MAX_TEXT_BYTES:
            return cursor.rest.part(0, place)
    return cursor.rest


def _origins(rest: Listing) -> tuple[list[tuple[str, str | None]], bytes]:
    """Source and written reason, each pair once, and the number of each item's; most lists have one of them."""
    if rest.reasons is None and len(rest) and rest.sources.count(rest.sources[0]) == len(rest):
        return [(rest.sources[0], None)], bytes(len(rest))
    pairs = list(zip(rest.sources, rest.reasons or (None,) * len(rest), strict=True))
    number_of = {pair: number for number, pair in enumerate(dict.fromkeys(pairs))}
    return list(number_of), bytes(number_of[pair] for pair in pairs)


def _numbers_of_marks(marks: tuple[Mark, ...]) -> bytes:
    if marks.count(_MARKS[0]) == len(marks):
        return bytes(len(marks))
    return bytes(_MARKS.index(mark) for mark in marks)


def _unpacked(body: bytes) -> Cursor:
    (length,) = _LENGTH.unpack_from(body)
    at = _LENGTH.size + length
    head = orjson.loads(body[_LENGTH.size : at])
    recommendation_id, version, variant, propensity, num_above, expires_s, ids, rung, cause, origins, num = head
    rows, scores = np.frombuffer(body, _ROWS, num, at), np.frombuffer(body, _SCORES, num, at + 4 * num)
    origin_of, marks = body[at + 8 * num : at + 9 * num], body[at + 9 * num : at + 10 * num]
    chances = body[at + 10 * num :]
    rest = Listing(
        rows.astype(np.int64),
        scores,
        tuple(origins[number][0] for number in origin_of),
        tuple(_MARKS[number] for number in marks),
        np.frombuffer(chances, _SCORES) if chances else None,
        tuple(origins[number][1] for number in origin_of) if any(reason for _, reason in origins) else None,
    )
    unlisted = {int(place): item_id for place, item_id in ids.items()}
    return Cursor(recommendation_id, version, variant, propensity, num_above, expires_s, rest, unlisted, rung, cause)


def _decoded(text: str) -> bytes:
    try:
        raw = text.encode("ascii")
        signed = base64.b64decode(raw + b"=" * (-len(raw) % 4), altchars=b"-_", validate=True)
    except (UnicodeEncodeError, binascii.Error):
        signed = b""
    # Written one way only: two texts are never the same cursor.
    if len(text) > MAX_CHARS or base64.urlsafe_b64encode(signed).rstrip(b"=").decode() != text or not signed:
        raise InputError(f"{text[:40]!r} is no cursor. Send back one as an answer gave it.")
    return signed


def _tag(body: bytes, user_id: str, key: bytes) -> bytes:
    user = user_id.encode()
    return hmac.digest(key, _PURPOSE + _LENGTH.pack(len(user)) + user + body, "sha256")[:_TAG_BYTES]
