"""Popular items by category."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from models import category_lists
from models.category_lists import CategoryLists

names = st.lists(st.sampled_from(["drama", "sea", "x,y", "Ü", ""]), max_size=4)


@given(st.lists(st.tuples(st.one_of(st.none(), names), st.integers(0, 5)), max_size=12))
def test_each_list_has_its_items_by_their_events(items: list[tuple[list[str] | None, int]]) -> None:
    counts = np.asarray([num for _, num in items], np.int64)
    column = pa.chunked_array([pa.array([some for some, _ in items], pa.list_(pa.string()))])
    lists = CategoryLists(column, counts)
    expected: dict[str, list[int]] = defaultdict(list)
    for row, (some, _) in enumerate(items):
        for name in dict.fromkeys(some or []):
            expected[name].append(row)
    for name in ("drama", "sea", "x,y", "Ü", "", "unknown"):
        top = lists.top(name)
        assert top.item_rows.tolist() == sorted(expected[name], key=lambda row: (-counts[row], row))
        assert top.scores.tolist() == counts[top.item_rows].tolist()


def test_a_list_has_a_length() -> None:
    num = category_lists.LIST_LENGTH + 5
    lists = CategoryLists(pa.chunked_array([pa.array([["a"]] * num)]), np.arange(num))
    assert lists.top("a").item_rows.tolist() == list(range(num - 1, 4, -1))
