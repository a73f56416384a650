"""The HTTP write routes over a socket: uvicorn and the gateway's own application in a process, a store behind it."""

from __future__ import annotations

import multiprocessing
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import uvicorn

from cluster.free_ports import free_port
from cluster.online.store import open_store
from serve_apps.chain.messages import HomeQuery, SimilarQuery
from serve_apps.http.door_options import DoorOptions
from serve_apps.http.gateway import create_api

HOST = "127.0.0.1"
spawn = multiprocessing.get_context("spawn")


class NoRows:
    """Nothing is recommended here: these servers take events."""

    full = False

    async def recommend(self, query: HomeQuery | SimilarQuery) -> bytes:
        raise NotImplementedError

    async def champion(self) -> str:
        raise NotImplementedError


def serve(url: str, port: int) -> None:
    """Answer until killed."""
    app = create_api(NoRows(), open_store(url), DoorOptions())
    uvicorn.run(app, host=HOST, port=port, log_level="error", timeout_keep_alive=120)


@contextmanager
def gateway(url: str) -> Iterator[tuple[int, int]]:
    """Port and process id of a gateway for the length of the block."""
    port = free_port()
    process = spawn.Process(target=serve, args=(url, port), daemon=True)
    process.start()
    try:
        deadline = time.monotonic() + 30
        while True:
            try:
                socket.create_connection((HOST, port), timeout=1).close()
                break
            except OSError:
                assert time.monotonic() < deadline
                time.sleep(0.05)
        assert process.pid is not None
        yield port, process.pid
    finally:
        process.kill()
        process.join()


def cpu_s(pid: int) -> float:
    """CPU seconds of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
