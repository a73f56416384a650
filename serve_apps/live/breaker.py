"""A circuit breaker (Nygard, "Release It!", 2007, ch. 5): who does not answer is left alone for a moment.

The libraries at hand hold a lock through the guarded call, which would send all reads of a replica in single file.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TypeVar

from models.errors import StoreError

_Result = TypeVar("_Result")
_FAILURES_TO_OPEN = 5
_OPEN_S = 0.5


class Breaker:
    """Thread-safe. After some failures in a row, calls fail at once; every half second one is let through to see.

    A call that still runs when another begins counts as waiting, not as failed: `max_waiting` bounds how many threads
    a store that hangs can hold.
    """

    def __init__(self, max_waiting: int) -> None:
        self._max_waiting = max_waiting
        self._lock = threading.Lock()
        self._waiting = self._failures = 0
        self._look_again = 0.0

    @property
    def open(self) -> bool:
        """Whether calls fail at once."""
        return self._failures >= _FAILURES_TO_OPEN

    def call(self, function: Callable[[], _Result]) -> _Result:
        """The function's result; `StoreError` of its own, or of ours when it is not even called."""
        with self._lock:
            if self._waiting >= self._max_waiting:
                raise StoreError(f"{self._waiting} reads wait for the store already. It hangs, or is too slow.")
            if self.open and time.monotonic() < self._look_again:
                raise StoreError("the store did not answer the last times; it is asked again within half a second.")
            self._look_again = time.monotonic() + _OPEN_S
            self._waiting += 1
        failed = True
        try:
            result = function()
            failed = False
            return result
        finally:
            with self._lock:
                self._waiting -= 1
                self._failures = self._failures + 1 if failed else 0
