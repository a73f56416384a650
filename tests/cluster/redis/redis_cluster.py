"""A real Redis Cluster of three nodes on loopback, each with a third of the slots."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
import redis

from tests.cluster.redis.redis_server import start

NUM_NODES = 3
_NUM_SLOTS = 16_384


@pytest.fixture(scope="session")
def cluster_nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[str]]:
    """Addresses of the nodes of a cluster that lives as long as the session."""
    with start_cluster(tmp_path_factory.mktemp("cluster")) as nodes:
        yield nodes


@pytest.fixture
def redis_cluster_url(cluster_nodes: list[str]) -> str:
    """Address of that cluster, with nothing in it."""
    for url in cluster_nodes:
        with redis.Redis.from_url(url) as node:
            node.flushall()
            node.script_flush()
    return cluster_address(cluster_nodes)


def cluster_address(nodes: Sequence[str]) -> str:
    """By the first of its nodes."""
    return nodes[0].replace("redis://", "redis-cluster://")


@contextmanager
def start_cluster(folder: Path, **more: str) -> Iterator[list[str]]:
    """Nodes that keep their data in folders `0`, `1` and `2`; ended with the block."""
    with ExitStack() as stack:
        nodes = []
        for number in range(NUM_NODES):
            place = folder / str(number)
            place.mkdir()
            _, url = stack.enter_context(start(place, cluster_enabled="yes", cluster_node_timeout="2000", **more))
            nodes.append(url)
        clients = [stack.enter_context(redis.Redis.from_url(url)) for url in nodes]
        for number, client in enumerate(clients):
            first, last = (_NUM_SLOTS * at // NUM_NODES for at in (number, number + 1))
            client.execute_command("CLUSTER", "ADDSLOTSRANGE", first, last - 1)
            for other in clients[:number]:
                port, bus = (other.config_get(name)[name] for name in ("port", "cluster-port"))
                client.execute_command("CLUSTER", "MEET", "127.0.0.1", port, bus)
        deadline = time.monotonic() + 30
        while not all(_knows_all(client) for client in clients):
            assert time.monotonic() < deadline, "the nodes did not find one another"
            time.sleep(0.05)
        yield nodes


def _knows_all(client: redis.Redis) -> bool:
    info = client.execute_command("CLUSTER", "INFO")
    text = info.decode() if isinstance(info, bytes) else str(info)
    return "cluster_state:ok" in text and f"cluster_known_nodes:{NUM_NODES}" in text
