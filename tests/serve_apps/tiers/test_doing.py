"""Work is done on the loop while it is quick, and in the thread once it is not."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator

import pytest

from serve_apps.tiers.doing import QUICK_S, OneThread, WhileQuick

LONG_S = 20 * QUICK_S


@pytest.fixture
def thread() -> Iterator[OneThread]:
    thread = OneThread("beside")
    yield thread
    thread.close()


def whose() -> str:
    return threading.current_thread().name


def long() -> str:
    time.sleep(LONG_S)
    return whose()


def test_quick_work_comes_to_the_loop_and_long_work_leaves_it(thread: OneThread) -> None:
    do = WhileQuick(thread)

    async def work() -> None:
        assert (await do(whose)).startswith("beside")  # nobody knows yet
        while (await do(whose)).startswith("beside"):
            pass
        assert await do(long) == "MainThread"  # nobody could know
        assert (await do(long)).startswith("beside")
        while (await do(whose)).startswith("beside"):
            pass

    asyncio.run(asyncio.wait_for(work(), 60))


def test_work_that_fails_counts_as_well_and_is_told(thread: OneThread) -> None:
    do = WhileQuick(thread)

    def fails() -> None:
        raise ZeroDivisionError

    async def work() -> None:
        for _ in range(50):
            with pytest.raises(ZeroDivisionError):
                await do(fails)
        assert await do(whose) == "MainThread"

    asyncio.run(work())


def test_what_the_thread_raises_is_raised_and_it_has_room_again(thread: OneThread) -> None:
    async def work() -> None:
        with pytest.raises(ZeroDivisionError):
            await thread(lambda: 1 // 0)
        assert thread.has_room

    asyncio.run(work())
