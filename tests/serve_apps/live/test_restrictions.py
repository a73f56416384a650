"""Masks are kept while they are true and asked for, within so many bytes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from models.index.selection import Mask
from serve_apps.live.restrictions import Restrictions

NOW, NEVER = 1_000, 10**18


def make(made: list[str], name: str, until_us: int = NEVER) -> Callable[[], tuple[Mask, int]]:
    def maker() -> tuple[Mask, int]:
        made.append(name)
        return np.arange(80) % 2 == 0, until_us  # 10 bytes

    return maker


def test_one_is_made_anew_when_the_catalogue_moves_on_or_its_time_is_over() -> None:
    held, made = Restrictions(), list[str]()
    for version, now_us, expected in ((1, NOW, 1), (1, NOW + 4, 1), (1, NOW + 5, 2), (2, NOW, 3), (2, NOW, 3)):
        held.rows(("a",), version, now_us, make(made, "a", NOW + 5))
        assert len(made) == expected


def test_the_longest_unused_go_first() -> None:
    held, made = Restrictions(max_bytes=20), list[str]()
    for name in ("a", "b", "a", "c", "a", "b"):
        held.rows((name,), 1, NOW, make(made, name))
    assert made == ["a", "b", "c", "b"]
