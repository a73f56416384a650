"""What is looked at before a filter is parsed: its size, its depth, and whether its texts are whole."""

from __future__ import annotations

import json
import re

from models.errors import FilterError

MAX_CHARS = 2_000
MAX_DEPTH = 16
MAX_COMPARISONS = 64
MAX_VALUES = 320
_ESCAPES = r"one of \" \\ \/ \b \f \n \r \t \u0000"
_MARKS = re.compile(
    r"""(?P<text>"(?:[^"\\]|\\.)*")
    | (?P<comparison>[<>=!]+|(?<![\w.])(?i:IN|ANY|ALL|ONLY|EXISTS)\b) | (?P<mark>["(),])""",
    re.VERBOSE | re.DOTALL,
)
_SEEN = re.compile(r'"(?:[^"\\]|\\.)*"?|\w+|[<>=!]+|\S', re.DOTALL)
_SEEN_CHARS = 40


def check_bounds(text: str) -> None:
    """`FilterError` when the filter is too long, nests too deep, compares or lists too much, or has a broken text.

    Linear in its length; what passes is parsed within a bounded time.
    """
    if len(text) > MAX_CHARS:
        raise FilterError(MAX_CHARS, f"{len(text)} characters", f"at most {MAX_CHARS}")
    _check_unicode(text, text, 0)
    num_comparisons = 0
    lists = [0]
    for found in _MARKS.finditer(text):
        at = found.start()
        match found.lastgroup, found[0]:
            case "text", literal:
                _check_unicode(unquoted(literal, at), literal, at)
            case "comparison", _:
                num_comparisons += 1
                if num_comparisons > MAX_COMPARISONS:
                    raise FilterError(at, "one comparison more", f"at most {MAX_COMPARISONS} comparisons")
            case _, '"':
                raise FilterError(at, seen_at(text, at), 'a closing " behind it')
            case _, "(":
                lists.append(0)
                if len(lists) - 1 > MAX_DEPTH:
                    raise FilterError(at, seen_at(text, at), f"at most {MAX_DEPTH} parentheses within one another")
            case _, ")" if len(lists) > 1:
                lists.pop()
            case _, ",":
                lists[-1] += 1
                if lists[-1] >= MAX_VALUES:
                    raise FilterError(at, "one value more", f"at most {MAX_VALUES} values in a list")


def unquoted(literal: str, position: int) -> str:
    """The text between double quotes, its escapes (those of JSON) resolved."""
    try:
        value: str = json.loads(literal, strict=False)
    except json.JSONDecodeError as error:
        at = literal.rfind("\\", 0, error.pos + 1)
        raise FilterError(position + at, literal[at : at + 2], _ESCAPES) from None
    return value


def seen_at(text: str, position: int) -> str:
    """The word at a position, as errors show it."""
    found = _SEEN.search(text, position)
    return "the end" if found is None else found[0][:_SEEN_CHARS]


def _check_unicode(value: str, literal: str, position: int) -> None:
    try:
        value.encode()
    except UnicodeEncodeError:
        raise FilterError(position, ascii(literal)[:_SEEN_CHARS], "well-formed Unicode") from None
