"""Work done ahead of its use, in a thread beside the one that uses it."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

_Item = TypeVar("_Item")


def ahead(items: Iterator[_Item], num: int = 2) -> Iterator[_Item]:
    """The same items in the same order, up to `num` of them made before they are asked for.

    Who takes no more does not wait for one that is being made, which may be waiting for others who take no more either.
    """
    end = object()
    thread = ThreadPoolExecutor(1, "ahead")
    try:
        waiting = deque(thread.submit(next, items, end) for _ in range(num))
        while (item := waiting.popleft().result()) is not end:
            waiting.append(thread.submit(next, items, end))
            yield item  # type: ignore[misc]
    finally:
        thread.shutdown(wait=False, cancel_futures=True)
