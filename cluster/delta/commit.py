"""Commits that another writer came before: tried again, on the newest version."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import TypeVar

from deltalake.exceptions import CommitFailedError

ATTEMPTS = 5
PATIENT_ATTEMPTS = 20
"""Of upkeep, whose commits conflict with every erasure and upsert of the files they rewrite."""
_PAUSE_S = 0.05

T = TypeVar("T")


def retried(attempt: Callable[[], T], attempts: int = ATTEMPTS) -> T:
    """What `attempt` returns; a failed commit wrote nothing, so it is safe to begin anew from the newest version."""
    tried = 0
    while True:
        tried += 1
        try:
            return attempt()
        except CommitFailedError:
            if tried >= attempts:
                raise
            time.sleep(random.uniform(0, _PAUSE_S * tried))
