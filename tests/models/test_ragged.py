"""Lists end to end, by worked examples."""

from __future__ import annotations

import numpy as np

from models.ragged import Ragged, unpadded

LISTS = Ragged.of([7, 3, 5], [2, 0, 1])


def test_rows_are_taken_in_any_order_and_more_than_once() -> None:
    taken = LISTS.take(np.asarray([2, 0, 1, 0]))
    assert taken.values.tolist() == [5, 7, 3, 7, 3]
    assert taken.lengths.tolist() == [1, 2, 0, 2]
    assert (taken.values.dtype, taken.lengths.dtype) == (np.int64, np.int32)


def test_no_rows_and_no_values() -> None:
    assert LISTS.take(np.zeros(0, np.int64)).values.tolist() == []
    assert Ragged.of([], [0, 0]).take(np.asarray([1, 0])).lengths.tolist() == [0, 0]


def test_padding_is_no_value() -> None:
    assert unpadded(np.asarray([[4, -1], [-1, -1], [-1, 0]], np.int32))[0].tolist() == [4, 0]
    assert unpadded(np.asarray([[4, -1], [-1, -1], [-1, 0]], np.int32))[1].tolist() == [1, 0, 1]
