"""A schedule keeps every share at every position."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.errors import ConfigError
from models.selection import Blocks
from models.selection.blocks import Schedule


@settings(deadline=None)
@given(st.lists(st.floats(0.01, 10), min_size=1, max_size=8), st.integers(1, 80))
def test_no_source_is_ever_a_whole_item_off_its_share(shares: list[float], num: int) -> None:
    names = [f"s{n}" for n in range(len(shares))]
    schedule = Schedule(Blocks(dict(zip(names, shares, strict=True))), names)
    taken = [0] * len(shares)
    for position in range(1, num + 1):
        turn = schedule.order()[0]
        schedule.took(turn)
        taken[turn] += 1
        for share, count in zip(shares, taken, strict=True):
            assert abs(count - position * share / sum(shares)) < 1


def test_a_row_of_ten() -> None:
    schedule = Schedule(Blocks({"model": 7, "trending": 2, "new": 1}), ["model", "trending", "new"])
    dealt = ""
    for _ in range(10):
        turn = schedule.order()[0]
        schedule.took(turn)
        dealt += "mtn"[turn]
    assert sorted(dealt) == sorted("mmmmmmmttn")
    assert dealt[0] == "m"


def test_who_has_no_share_comes_last() -> None:
    schedule = Schedule(Blocks({"new": 1}), ["model", "new", "similar"])
    assert schedule.order() == [1, 0, 2]


@pytest.mark.parametrize("shares", [{}, {"model": 0}, {"model": 1, "new": -1}, {"model": float("inf")}])
def test_shares_are_above_0(shares: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match="needs a share above 0"):
        Blocks(shares)
