"""Cursors: they come back as they went, and nothing else comes back at all."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from models.errors import InputError
from models.selection import Cursor, Listing, Mark, sign, verified
from models.selection.cursor import MAX_CHARS

KEY = b"a key of sixteen"
NOW_S = 1_000.0
IDS = st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=30)


@st.composite
def cursors(draw: st.DrawFn) -> Cursor:
    num = draw(st.integers(0, 12))

    def each(values: st.SearchStrategy[object]) -> list[object]:
        return draw(st.lists(values, min_size=num, max_size=num))

    rows = each(st.integers(-1, 2**31 - 1))
    rest = Listing(
        np.asarray(rows, np.int64),
        np.asarray(each(st.floats(width=32, allow_nan=False)), np.float32),
        tuple(map(str, each(st.sampled_from(["model", "new", "é"])))),
        tuple(each(st.sampled_from(list(Mark)))),  # type: ignore[arg-type]
        draw(st.sampled_from([None, np.full(num, 0.25, np.float32)])) if num else None,
        tuple(each(st.sampled_from([None, "New"]))) or None,  # type: ignore[arg-type]
    )
    unlisted = {place: draw(IDS) for place, row in enumerate(rows) if row == -1}
    texts = [draw(IDS) for _ in range(3)]
    numbers = draw(st.floats(0, 1)), draw(st.integers(0, 10**6)), draw(st.integers(1_001, 2**40))
    rung, cause = draw(st.sampled_from([(None, None), ("without_ranking", "ranking_late")]))
    return Cursor(texts[0], texts[1], texts[2], *numbers, rest, unlisted, rung, cause)


def same(one: Cursor, other: Cursor) -> bool:
    plain = Listing(np.zeros(0, np.int64), np.zeros(0, np.float32), (), ())
    assert replace(one, rest=plain) == replace(other, rest=plain)
    left, right = one.rest, other.rest
    assert left.item_rows.tolist() == right.item_rows.tolist()
    assert left.scores.tolist() == right.scores.tolist()
    assert (left.sources, left.marks) == (right.sources, right.marks)
    chances = [None if rest.propensities is None else rest.propensities.tolist() for rest in (left, right)]
    assert chances[0] == chances[1]
    return (left.reasons if left.reasons and any(left.reasons) else None) == right.reasons


@settings(deadline=None)
@given(cursors(), IDS)
def test_a_cursor_comes_back(cursor: Cursor, user_id: str) -> None:
    text = sign(cursor, user_id, KEY)
    assert text.isascii()
    assert text.replace("-", "a").replace("_", "a").isalnum()
    assert same(cursor, verified(text, user_id, KEY, NOW_S))


@settings(deadline=None)
@given(cursors(), IDS, st.data())
def test_a_changed_cursor_does_not(cursor: Cursor, user_id: str, data: st.DataObject) -> None:
    text = sign(cursor, user_id, KEY)
    at = data.draw(st.integers(0, len(text) - 1))
    other = data.draw(st.sampled_from("ABCabc019-_=+/ é\x00"))
    assume(other != text[at])
    for changed in (text[:at] + other + text[at + 1 :], text[:at], text + other, other + text):
        with pytest.raises(InputError, match="cursor"):
            verified(changed, user_id, KEY, NOW_S)


@settings(deadline=None)
@given(st.text(max_size=400))
def test_no_other_text_is_a_cursor(text: str) -> None:
    with pytest.raises(InputError, match="cursor"):
        verified(text, "ann", KEY, NOW_S)


def made(num: int, **fields: object) -> Cursor:
    rows = np.arange(num, dtype=np.int64)
    rest = Listing(rows, rows.astype(np.float32), ("model",) * num, (Mark.RANKED,) * num)
    return replace(Cursor("r", "v1", "model", 0.5, 20, 2_000, rest), **fields)  # type: ignore[arg-type]


@settings(deadline=None)
@given(cursors(), IDS, IDS)
def test_it_is_worth_nothing_to_another_user(cursor: Cursor, user_id: str, other: str) -> None:
    assume(user_id != other)
    with pytest.raises(InputError, match="another user's"):
        verified(sign(cursor, user_id, KEY), other, KEY, NOW_S)


def test_another_key_is_another_maker() -> None:
    with pytest.raises(InputError, match="none of ours"):
        verified(sign(made(3), "ann", KEY), "ann", b"another key of ours", NOW_S)
    with pytest.raises(InputError, match="has 5 bytes"):
        sign(made(3), "ann", b"short")


def test_it_expires() -> None:
    text = sign(made(3), "ann", KEY)
    assert verified(text, "ann", KEY, 1_999.9).num_above == 20
    with pytest.raises(InputError, match="has expired"):
        verified(text, "ann", KEY, 2_000.0)


def test_it_fits_into_an_address() -> None:
    ids = {place: f"{place:03}" + "x" * 125 for place in range(100)}
    assert len(sign(made(100), "ann", KEY)) < 1_600
    text = sign(made(100, unlisted=ids), "ann", KEY)
    assert len(text) <= MAX_CHARS
    found = verified(text, "ann", KEY, NOW_S)
    assert 0 < len(found.rest) == len(found.unlisted) < 100  # the list ends where it would not fit any more
    long = made(100)
    long = replace(long, rest=replace(long.rest, reasons=tuple(f"{place}" + "\x01" * 99 for place in range(100))))
    text = sign(long, "ann", KEY)
    assert len(text) <= MAX_CHARS
    assert 0 < len(verified(text, "ann", KEY, NOW_S).rest) < 100
