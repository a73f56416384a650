"""What goes wrong between us and Redis, as `StoreError`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import redis

from models.errors import StoreError


@contextmanager
def store_errors() -> Iterator[None]:
    """Within the block every error of the client or the server leaves as `StoreError`."""
    try:
        yield
    except redis.RedisError as error:
        raise StoreError(f"Redis did not answer: {error}. Check the server and SHOAL_STORE.") from error
