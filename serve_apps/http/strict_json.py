"""JSON as a contract asks for it: UTF-8, no NaN, not deep, and no key twice in one object.

orjson refuses what is not UTF-8, no number, or deep enough to hurt, at less than half the standard library's price, but
keeps silent about repeated keys. A count tells: written out again, what it read has as many colons as what came, unless
a member was dropped. Only a body that fails this is read again by the standard library, to say which key.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from serve_apps.http.errors import HttpError

MAX_DEPTH = 16
_ESCAPED_COLON = (b"\\u003a", b"\\u003A")
_LONGEST_INT = 20
_INTS = range(-(2**63), 2**64)


@dataclass(frozen=True, slots=True)
class RepeatedKey:
    """Stands for an object in which a key is repeated: which of its values was meant is not known."""

    key: str


def parse_json(body: bytes) -> Any:
    """The value, with a `RepeatedKey` in the place of an object that has one. `HttpError` 400 for what is not taken."""
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise HttpError(
            400, "not_json", f"the body is not JSON ({error}; NaN and Infinity are not). Send one object, or a list."
        ) from error
    if _is_deeper(value, MAX_DEPTH):
        raise HttpError(400, "too_deep", f"the body is nested deeper than {MAX_DEPTH}. Send a flat object, or a list.")
    return value if _has_every_member(value, body) else _slowly(body)


def repeated_key(value: Any) -> str | None:
    """A key that is repeated in one object of a parsed value, however deep; None when none is."""
    level = [value]
    while level:
        below: list[Any] = []
        for each in level:
            if isinstance(each, RepeatedKey):
                return each.key
            if isinstance(each, dict):
                below.extend(each.values())
            elif isinstance(each, list):
                below.extend(each)
        level = below
    return None


def _has_every_member(value: Any, body: bytes) -> bool:
    """False when a member may have been dropped. Exact where no colon is escaped, for orjson escapes none."""
    if any(escape in body for escape in _ESCAPED_COLON):
        return False
    return body.count(b":") == orjson.dumps(value).count(b":")


def _slowly(body: bytes) -> Any:
    return json.loads(body.decode(), object_pairs_hook=_object, parse_int=_number)


def _object(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any] | RepeatedKey:
    members = dict(pairs)
    if len(members) == len(pairs):
        return members
    return RepeatedKey(Counter(name for name, _ in pairs).most_common(1)[0][0])


def _number(text: str) -> int | float:
    """A whole number of more than 64 bits is a float, as it is for orjson."""
    if len(text) <= _LONGEST_INT and (number := int(text)) in _INTS:
        return number
    return float(text)


def _is_deeper(value: Any, depth: int) -> bool:
    """True when lists and objects lie more than `depth` in one another."""
    level = [value] if isinstance(value, dict | list) else []
    for _ in range(depth):
        level = [
            child
            for parent in level
            for child in (parent.values() if type(parent) is dict else parent)
            if type(child) is dict or type(child) is list
        ]
        if not level:
            return False
    return bool(level)
