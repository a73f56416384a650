"""Who does not answer is left alone for a moment, and who hangs holds only so many threads."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest

from models.errors import StoreError
from serve_apps.live.breaker import Breaker


def fail() -> None:
    raise StoreError("gone")


def test_it_opens_after_failures_in_a_row_and_closes_with_the_first_answer() -> None:
    breaker = Breaker(max_waiting=1)
    for _ in range(4):
        with pytest.raises(StoreError, match="gone"):
            breaker.call(fail)
    assert breaker.call(lambda: 1) == 1  # in a row means in a row
    for _ in range(5):
        with pytest.raises(StoreError, match="gone"):
            breaker.call(fail)
    assert breaker.open
    called: list[int] = []
    with pytest.raises(StoreError, match="asked again"):
        breaker.call(lambda: called.append(1))
    assert called == []
    time.sleep(0.55)
    assert breaker.call(lambda: 2) == 2
    assert not breaker.open


def test_only_one_looks_again_while_it_is_open() -> None:
    breaker = Breaker(max_waiting=8)
    for _ in range(5):
        with pytest.raises(StoreError):
            breaker.call(fail)
    time.sleep(0.55)
    looked = 0

    def look() -> None:
        nonlocal looked
        looked += 1
        time.sleep(0.1)

    def ask(_: int) -> None:
        with suppress(StoreError):
            breaker.call(look)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(ask, range(8)))
    assert looked == 1


def test_calls_that_hang_hold_only_so_many_threads() -> None:
    breaker = Breaker(max_waiting=2)
    release = threading.Event()
    with ThreadPoolExecutor(2) as pool:
        hanging = [pool.submit(breaker.call, release.wait) for _ in range(2)]
        time.sleep(0.05)
        with pytest.raises(StoreError, match="2 reads wait"):
            breaker.call(lambda: None)
        release.set()
        assert all(each.result() for each in hanging)
    assert breaker.call(lambda: 3) == 3
