"""What all Redis files share: the client, its errors as `StoreError`, and where a partition's keys are."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import redis
from redis.exceptions import RedisClusterException

from cluster.redis.cluster_client import ClusterClient
from models.errors import StoreError

_TIMEOUT_S = 5.0


_CLUSTERS = {"redis-cluster": "redis", "rediss-cluster": "rediss"}
"""Schemes of addresses that name any one node of a cluster, or what leads to one."""


def connect(url: str) -> Any:
    """A client that connects at its first call; `ValueError` when the address is none."""
    scheme, _, rest = url.partition("://")
    if scheme in _CLUSTERS:
        return ClusterClient(
            f"{_CLUSTERS[scheme]}://{rest}", socket_timeout=_TIMEOUT_S, socket_connect_timeout=_TIMEOUT_S
        )
    return redis.Redis.from_url(url, socket_timeout=_TIMEOUT_S, socket_connect_timeout=_TIMEOUT_S)


def servers(client: Any) -> list[Any]:
    """A client of each server behind one that `connect` made."""
    return client.servers() if isinstance(client, ClusterClient) else [client]


def key(partition: int, name: str) -> str:
    """A key of a partition."""
    return f"shoal:{{{partition}}}:{name}"


def log_key(partition: int) -> str:
    """The key by which scripts know their partition."""
    return key(partition, "log")


@contextmanager
def store_errors() -> Iterator[None]:
    """Redis's errors leave as `StoreError`."""
    try:
        yield
    except (redis.RedisError, RedisClusterException) as error:
        said = str(error).rstrip(".")
        raise StoreError(f"Redis did not answer: {said}. Check the server and SHOAL_STORE.") from error
