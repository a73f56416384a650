"""What a Redis server would lose of what it acknowledged, by its own configuration."""

from __future__ import annotations

from typing import Any

import redis

from cluster.redis.connection import servers, store_errors

_NO_LOG = (
    "Redis keeps no append-only file (appendonly no): when its process ends, EVERY event since its last snapshot is "
    "lost, acknowledged or not. Set appendonly yes."
)
_FSYNC = {
    "everysec": (
        "Redis writes to disk once a second (appendfsync everysec): when its process or its machine dies, acknowledged "
        "events of the LAST SECOND, or two, may be lost. Set appendfsync always."
    ),
    "no": (
        "Redis leaves writing to the operating system (appendfsync no): a power cut loses acknowledged events of "
        "HALF A MINUTE. Set appendfsync always."
    ),
}
_EVICTION = (
    "Redis evicts keys when it is full (maxmemory-policy {}): the event log may be DROPPED. "
    "Set maxmemory-policy noeviction."
)
_UNKNOWN = (
    "Redis does not say how durable it is (CONFIG is not allowed): what an acknowledgement survives is UNKNOWN. "
    "See to it that it runs with appendonly yes, appendfsync always and maxmemory-policy noeviction."
)


def weaknesses(client: Any) -> list[str]:
    """One sentence for each; empty when an acknowledged event survives a power cut. Of a cluster, those of any node."""
    with store_errors():
        return list(dict.fromkeys(weakness for server in servers(client) for weakness in _of_server(server)))


def _of_server(server: Any) -> list[str]:
    try:
        found = server.config_get("appendonly", "appendfsync", "maxmemory-policy")
    except redis.ResponseError:
        return [_UNKNOWN]
    problems = [] if found["appendonly"] == "yes" else [_NO_LOG]
    if not problems and found["appendfsync"] in _FSYNC:
        problems.append(_FSYNC[found["appendfsync"]])
    if found["maxmemory-policy"] != "noeviction":
        problems.append(_EVICTION.format(found["maxmemory-policy"]))
    return problems
