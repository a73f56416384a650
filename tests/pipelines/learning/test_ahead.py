"""What is made ahead comes in order, once, and an error comes in its place."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from pipelines.learning.engine.ahead import ahead


def test_all_items_in_order_made_before_they_are_asked_for() -> None:
    made: list[int] = []
    two_ahead = threading.Event()

    def items() -> Iterator[int]:
        for n in range(6):
            made.append(n)
            if n == 2:
                two_ahead.set()
            yield n

    taken = ahead(items(), 2)
    assert next(taken) == 0
    assert two_ahead.wait(10)
    assert list(taken) == [1, 2, 3, 4, 5]
    assert made == [0, 1, 2, 3, 4, 5]


def test_an_error_comes_after_the_items_before_it() -> None:
    def items() -> Iterator[int]:
        yield 1
        raise OSError("no more")

    taken = ahead(items())
    assert next(taken) == 1
    with pytest.raises(OSError, match="no more"):
        next(taken)


def test_who_takes_no_more_does_not_wait_for_what_is_being_made() -> None:
    others = threading.Event()

    def items() -> Iterator[int]:
        yield 1
        others.wait(60)
        yield 2

    taken = ahead(items())
    assert next(taken) == 1
    started = time.monotonic()
    taken.close()  # type: ignore[attr-defined]
    assert time.monotonic() - started < 30
    others.set()
