"""Fixtures of the store tests."""

from __future__ import annotations

import pytest

pytest.register_assert_rewrite(
    "tests.cluster.online.store_suite", "tests.cluster.online.catalogue_suite", "tests.cluster.online.privacy_suite"
)

from tests.cluster.online.stores import empty_redis_url, open_fresh, store  # noqa: E402, F401  (fixtures)
from tests.cluster.redis.redis_cluster import cluster_nodes, redis_cluster_url  # noqa: E402, F401  (fixtures)
from tests.cluster.redis.redis_server import redis_url  # noqa: E402, F401  (a fixture)
