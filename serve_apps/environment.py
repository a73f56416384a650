"""Environment of Ray Serve, which it reads once at import: set before Ray starts."""

from __future__ import annotations


def serve_environment(*, behind_keys: bool) -> dict[str, str]:
    """Variables for the process that starts Ray.

    `behind_keys`: HAProxy in front roughly triples the throughput, but it and the replicas behind it listen on all
    interfaces, so it is used only where every request needs a key.
    """
    variables = {
        # User code on the replica's own loop, gRPC between deployments, buffered logs: a third of a hop's price.
        "RAY_SERVE_THROUGHPUT_OPTIMIZED": "1",
    }
    if behind_keys:
        variables |= {
            "RAY_SERVE_ENABLE_HA_PROXY": "1",
            # One thread: the others would only take turns on cores that the replicas need.
            "RAY_SERVE_HAPROXY_NBTHREAD": "1",
            # Its metrics listen on all interfaces without a key.
            "RAY_SERVE_HAPROXY_METRICS_ENABLED": "0",
        }
    else:
        # Without HAProxy a replica's own HTTP port would only be one more open door.
        variables["RAY_SERVE_ENABLE_DIRECT_INGRESS"] = "0"
    return variables
