"""What Ray Train saw of failing workers, kept where the test can read it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ray.train import UserCallback


class FailureLog(UserCallback):
    """Writes the ranks of failed workers to a file, a line a failure. Runs in Ray Train's controller."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def after_exception(self, run_context: Any, worker_exceptions: dict[int, Exception]) -> None:
        """Ray Train's hook."""
        with self._path.open("a") as file:
            file.write(f"{sorted(worker_exceptions)}\n")
