"""Cursors: they come back as they went, and nothing else comes back at all."""

from __future__ import annotations

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from models.errors import InputError
from models.selection import Cursor, page, sign, verified

KEY = b"a key of sixteen"
IDS = st.text(min_size=1, max_size=30).filter(lambda text: _is_utf8(text))
CURSORS = st.builds(Cursor, IDS, st.integers(0, 2**32 - 1))


def _is_utf8(text: str) -> bool:
    try:
        return len(text.encode()) <= 128
    except UnicodeEncodeError:
        return False


@settings(deadline=None)
@given(CURSORS)
def test_a_cursor_comes_back(cursor: Cursor) -> None:
    text = sign(cursor, KEY)
    assert text.isascii()
    assert text.replace("-", "a").replace("_", "a").isalnum()
    assert verified(text, KEY) == cursor


@settings(deadline=None)
@given(CURSORS, st.data())
def test_a_changed_cursor_does_not(cursor: Cursor, data: st.DataObject) -> None:
    text = sign(cursor, KEY)
    at = data.draw(st.integers(0, len(text) - 1))
    other = data.draw(st.sampled_from("ABCabc019-_=+/ é\x00"))
    assume(other != text[at])
    for changed in (text[:at] + other + text[at + 1 :], text[:at], text + other, other + text):
        with pytest.raises(InputError, match="cursor"):
            verified(changed, KEY)


@settings(deadline=None)
@given(st.text(max_size=400))
def test_no_other_text_is_a_cursor(text: str) -> None:
    with pytest.raises(InputError, match="cursor"):
        verified(text, KEY)


def test_another_key_is_another_maker() -> None:
    with pytest.raises(InputError, match="none of ours"):
        verified(sign(Cursor("r", 1), KEY), b"another key of ours")
    with pytest.raises(InputError, match="has 5 bytes"):
        sign(Cursor("r", 1), b"short")


@settings(deadline=None)
@given(st.integers(0, 30), st.integers(1, 12))
def test_pages_together_are_the_list(num: int, limit: int) -> None:
    items, seen = list(range(num)), []
    cursor: Cursor | None = Cursor("r1", 0)
    while cursor is not None:
        assert cursor.offset == len(seen)
        part, cursor = page(items, verified(sign(cursor, KEY), KEY), limit)
        seen += part
    assert seen == items


def test_past_the_end_there_is_nothing() -> None:
    assert page([1, 2], Cursor("r", 9), 3) == ([], None)
    with pytest.raises(InputError, match="1 item or more; got 0"):
        page([1], Cursor("r", 0), 0)


def test_a_cursor_makes_sense() -> None:
    with pytest.raises(InputError, match="an offset is 0 to 4294967295; got -1"):
        Cursor("r", -1)
    with pytest.raises(InputError, match="recommendation_id"):
        Cursor("", 0)
