"""Fixtures of the benchmarks."""

from __future__ import annotations

from tests.cluster.online.stores import empty_redis_url  # noqa: F401  (a fixture)
from tests.cluster.redis.redis_server import redis_url  # noqa: F401  (a fixture)
