"""Fixtures of the store tests."""

from __future__ import annotations

import pytest

pytest.register_assert_rewrite(
    "tests.cluster.online_store_suite", "tests.cluster.catalogue_suite", "tests.cluster.privacy_suite"
)

from tests.cluster.redis_server import redis_url  # noqa: E402, F401  (a fixture)
from tests.cluster.stores import empty_redis_url, open_fresh, store  # noqa: E402, F401  (fixtures)
