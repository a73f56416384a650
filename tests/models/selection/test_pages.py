"""Pages: no item twice, no row too short, and the top of the page served first."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.candidates import Candidates
from models.errors import InputError
from models.selection import TitledRow, fill_page


def titled(title: str, items: list[int]) -> TitledRow:
    return TitledRow(title, Candidates(np.asarray(items, np.int64), -np.asarray(items, np.float32)))


def listed(rows: list[TitledRow]) -> dict[str, list[int]]:
    return {row.title: row.candidates.item_rows.tolist() for row in rows}


def test_a_page() -> None:
    rows = [
        titled("Because you watched Annie", [1, 2, 3]),
        titled("Trending in Norway", [2, 1, 3, 4]),
        titled("New for you", [3, 4, 5, 6]),
    ]
    # The second row has nothing but 4 left: it goes, and 4 stays for the third.
    assert listed(fill_page(rows, 3, min_length=2)) == {
        "Because you watched Annie": [1, 2, 3],
        "New for you": [4, 5, 6],
    }
    assert listed(fill_page(rows, 2, max_rows=2)) == {"Because you watched Annie": [1, 2], "Trending in Norway": [3, 4]}


def test_scores_stay_with_their_items_and_a_repeat_in_a_list_counts_once() -> None:
    (row,) = fill_page([titled("t", [4, 4, 7, 4])], 3)
    assert row.candidates.item_rows.tolist() == [4, 7]
    assert row.candidates.scores.tolist() == [-4, -7]


@settings(deadline=None)
@given(
    st.lists(st.lists(st.integers(0, 15), max_size=10), max_size=6),
    st.integers(1, 5),
    st.integers(1, 5),
    st.one_of(st.none(), st.integers(0, 4)),
)
def test_any_page(lists: list[list[int]], length: int, min_length: int, max_rows: int | None) -> None:
    rows = [titled(str(number), items) for number, items in enumerate(lists)]
    min_length = min(min_length, length)
    page = fill_page(rows, length, min_length=min_length, max_rows=max_rows)
    shown = [item for row in page for item in row.candidates.item_rows.tolist()]
    assert len(set(shown)) == len(shown)
    assert all(min_length <= len(row.candidates) <= length for row in page)
    assert len(page) <= (len(rows) if max_rows is None else max_rows)
    if max_rows is None:  # no row could have stood here that does not
        for row in rows:
            if row.title not in listed(page):
                assert len(set(row.candidates.item_rows.tolist()) - set(shown)) < min_length


def test_lengths_make_sense() -> None:
    for length, min_length in ((0, 1), (3, 0), (3, 4)):
        with pytest.raises(InputError, match=f"least length of {min_length}"):
            fill_page([], length, min_length=min_length)
