"""Caps by hand: of a row, of a window, hard and soft."""

from __future__ import annotations

from dataclasses import replace

import pytest

from models.errors import ConfigError
from models.selection import NO_CONTROL, Cap, Control, Pool, SelectionConfig, select
from tests.models.selection.pools import ranked

LETTERS = "aaaabbc"
POOL = replace(
    Pool.of(ranked(list(range(7)), [7.0 - n for n in range(7)])),
    categories=[[letter] for letter in LETTERS],
    places={letter + str(n): n for n, letter in enumerate(LETTERS)},
)


def shown(*caps: Cap, limit: int = 7, control: Control = NO_CONTROL) -> str:
    row = select(POOL, limit, SelectionConfig(caps=caps), control)
    return "".join(LETTERS[entry] for entry in row.entries)


def test_of_a_whole_row() -> None:
    assert shown(Cap(2)) == "aabbc"
    assert shown(Cap(2, soft=True)) == "aabbcaa"
    assert shown(Cap(2, soft=True), limit=4) == "aabb"
    assert shown(Cap(0, categories=frozenset("ac"))) == "bb"


def test_of_a_window() -> None:
    assert shown(Cap(1, window=2)) == "ababaca"
    assert shown(Cap(2, window=3), limit=5) == "aabaa"
    assert shown(Cap(1, window=3)) == "abcab"
    assert shown(Cap(2, window=100)) == shown(Cap(2))


def test_several_at_once() -> None:
    assert shown(Cap(1, window=2), Cap(2, categories=frozenset("a"))) == "ababc"
    assert shown(Cap(1, window=2), Cap(1, categories=frozenset("a"))) == "abcb"


def test_what_is_placed_counts_before_it_is_reached() -> None:
    # An a is pinned at 2: with one in any two, 1 and 3 cannot be one.
    assert shown(Cap(1, window=2), limit=4, control=Control({2: "a3"})) == "abab"
    assert shown(Cap(1, window=2), limit=3, control=Control({1: "a3"})) == "bab"
    assert shown(Cap(1), control=Control({0: "a3", 1: "a2"})) == "aabc"


def test_an_item_of_several_categories_needs_room_in_each() -> None:
    pool = replace(POOL, categories=[["a"], ["b", "a"], ["b"], [], ["c", "c"], ["c"], ["a", "b", "c"]])
    row = select(pool, 7, SelectionConfig(caps=(Cap(1),)))
    assert row.entries.tolist() == [0, 2, 3, 4]


def test_caps_make_sense() -> None:
    with pytest.raises(ConfigError, match="got -1 in None"):
        Cap(-1)
    with pytest.raises(ConfigError, match="got 1 in 0"):
        Cap(1, window=0)
