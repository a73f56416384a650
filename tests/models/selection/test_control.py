"""A control that contradicts itself is refused where it is made."""

from __future__ import annotations

import pytest

from models.errors import ConfigError, InputError
from models.selection import Boost, Control, Freshness, joined


def test_contradictions() -> None:
    with pytest.raises(InputError, match="item 'a' is pinned at 1 and 4"):
        Control({4: "a", 1: "a"})
    with pytest.raises(InputError, match="position 2 is both pinned to 'a' and promoted"):
        Control({2: "a"}, ("b",), (2,))
    with pytest.raises(InputError, match="position 3 is promoted twice"):
        Control(promoted=("a",), promoted_positions=(3, 3))
    with pytest.raises(InputError, match="item 'a' is promoted twice"):
        Control(promoted=("a", "a"), promoted_positions=(1, 3))
    assert Control({0: "a", 1: "b"}, ("a", "c"), (2, 3))


def test_where_a_request_promotes_nothing_that_stands_is_promoted() -> None:
    standing = Control({0: "p"}, ("x",), (4,))
    both = joined(Control(promoted=("a",), promoted_positions=(9,)), standing)
    assert (dict(both.pins), both.promoted, both.promoted_positions) == ({0: "p"}, ("a",), (9,))
    pinned = joined(Control({4: "a"}), standing)
    assert (pinned.promoted, pinned.promoted_positions) == (("x",), ())


def test_bounds() -> None:
    for position in (-1, 1_000):
        with pytest.raises(InputError, match=f"position {position} is not 0 to 999"):
            Control({position: "a"})
    with pytest.raises(InputError, match="257 items"):
        Control(promoted=tuple(map(str, range(257))))
    with pytest.raises(InputError, match="33 filters"):
        Control(buried=("a = 1",) * 33)


def test_numbers_make_sense() -> None:
    for multiply, add in ((-1.0, 0.0), (1_001.0, 0.0), (float("inf"), 0.0), (1.0, -1_001.0), (1.0, float("nan"))):
        with pytest.raises(InputError, match="a boost multiplies"):
            Boost("a = 1", multiply, add)
    for weight, half_life_s in ((1.0, 0.0), (float("nan"), 1.0), (1.0, float("inf"))):
        with pytest.raises(ConfigError, match="freshness needs"):
            Freshness(weight, half_life_s)
