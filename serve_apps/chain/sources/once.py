"""What takes long to make of a bundle and is wanted by many batches: made once, in a thread."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Generic, TypeVar
from weakref import WeakKeyDictionary

from models.recommender import Recommender

_Made = TypeVar("_Made")


class OncePerBundle(Generic[_Made]):
    """It goes with its bundle."""

    def __init__(self, make: Callable[[Recommender], _Made]) -> None:
        self._make = make
        self._made: WeakKeyDictionary[Recommender, _Made] = WeakKeyDictionary()
        self._making = threading.Lock()

    async def get(self, recommender: Recommender) -> _Made | None:
        """What was made of the bundle. None while another batch waits for it: one thread is enough."""
        made = self._made.get(recommender)
        return made if made is not None else await asyncio.to_thread(self._first, recommender)

    def _first(self, recommender: Recommender) -> _Made | None:
        """It is kept here, since who waits for it may not wait to the end."""
        if not self._making.acquire(blocking=False):
            return None
        try:
            return self._made.setdefault(recommender, self._make(recommender))
        finally:
            self._making.release()
