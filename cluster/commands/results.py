"""stdout is for results: what a library prints from a thread of its own, as Ray does when it warns, goes to stderr."""

from __future__ import annotations

import threading
from typing import IO, Any


class Results:
    """In place of `sys.stdout`: the thread that made it writes to `results`, every other one to `others`."""

    def __init__(self, results: IO[str], others: IO[str]) -> None:
        self._results, self._others, self._own = results, others, threading.get_ident()

    def write(self, text: str) -> int:
        """Write to where this thread's words belong."""
        return self._to().write(text)

    def flush(self) -> None:
        """Flush that."""
        self._to().flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._results, name)

    def _to(self) -> IO[str]:
        return self._results if threading.get_ident() == self._own else self._others
