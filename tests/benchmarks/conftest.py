"""Fixtures of the benchmarks."""

from __future__ import annotations

from tests.cluster.redis_server import redis_url  # noqa: F401  (a fixture)
from tests.cluster.stores import empty_redis_url  # noqa: F401  (a fixture)
