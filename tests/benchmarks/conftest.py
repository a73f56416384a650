"""Fixtures of the benchmarks."""

from __future__ import annotations

from tests.cluster.redis_server import redis_url  # noqa: F401  (a fixture)
