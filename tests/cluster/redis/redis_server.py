"""A real Redis on loopback, with the durability the store asks for."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import redis

from cluster.free_ports import free_port


@pytest.fixture(scope="session")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of a `redis-server` that lives as long as the session."""
    with start(tmp_path_factory.mktemp("redis")) as (_, url):
        yield url


@contextmanager
def start(folder: Path, port: int = 0, **more: str) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """A server that keeps its data in `folder`, and its address; ended with the block. `port`: 0 for any."""
    if shutil.which("redis-server") is None:
        pytest.skip("redis-server is not installed: what Redis does is NOT tested")
    port = port or free_port()
    options = {"port": port, "bind": "127.0.0.1", "dir": folder, "appendonly": "yes", "save": "", **more}
    if "cluster_enabled" in more:  # by itself the bus is 10,000 above the port, which need not exist
        options["cluster_port"] = free_port()
    command = ["redis-server"]
    for name, value in options.items():
        command += [f"--{name.replace('_', '-')}", str(value)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        _wait(port)
        yield server, f"redis://127.0.0.1:{port}/0"
    finally:
        server.terminate()
        server.wait(10)


def _wait(port: int) -> None:
    deadline = time.monotonic() + 10
    with redis.Redis(port=port) as client:
        while True:
            try:
                client.ping()
                return
            except redis.ConnectionError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)
