"""Packing: nothing is lost, nothing overlaps, little is wasted."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from models.packing import pack


def test_a_worked_example() -> None:
    # The longest first: 3 fills row 0; 2 and 1 share row 1.
    packed = pack([1, 3, 2])
    assert packed.segments.tolist() == [[1, 1, 1], [2, 2, 0]]
    assert packed.positions.tolist() == [[0, 1, 2], [0, 1, 0]]
    assert packed.places.tolist() == [5, 0, 1, 2, 3, 4]


@given(st.lists(st.integers(1, 30), min_size=1, max_size=60))
def test_each_window_lies_whole_in_a_place_of_its_own(lengths: list[int]) -> None:
    packed = pack(lengths)
    assert len(np.unique(packed.places)) == sum(lengths)
    rows = packed.places // packed.segments.shape[1]
    owner = np.repeat(np.arange(len(lengths)), lengths)
    for window in range(len(lengths)):
        assert len(set(rows[owner == window])) == 1
        assert (np.diff(packed.places[owner == window]) == 1).all()
    np.testing.assert_array_equal(packed.segments.ravel()[packed.places], owner)
    assert (packed.segments >= 0).sum() == sum(lengths)


def test_hardly_any_place_is_padding() -> None:
    lengths = np.random.default_rng(1).geometric(0.05, 2_000).clip(max=200)
    packed = pack(lengths)
    assert (packed.segments < 0).mean() < 0.05
