"""The HTTP server of the demo: `python -m serve_apps.serve` as a child process, and a small client for it."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from cluster.commands.console import say
from cluster.ray_session import CODE_ROOT
from models.errors import ShoalError

_READY_TIMEOUT_S = 120.0
_STOP_TIMEOUT_S = 45.0


class Client:
    """JSON over HTTP to one server."""

    def __init__(self, url: str) -> None:
        self.url = url

    def get(self, path: str, **query: str | int) -> dict[str, Any]:
        """GET `path?query`; `ShoalError` with the body on any answer but 2xx."""
        return self._call(urllib.request.Request(f"{self.url}{path}?{urlencode(query)}"))

    def post(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """POST a JSON object."""
        data, headers = json.dumps(body).encode(), {"Content-Type": "application/json"}
        return self._call(urllib.request.Request(f"{self.url}{path}", data=data, headers=headers, method="POST"))

    def _call(self, request: urllib.request.Request) -> dict[str, Any]:
        try:
            with urllib.request.urlopen(request, timeout=30) as response:
                return dict(json.load(response))
        except urllib.error.HTTPError as error:
            raise ShoalError(f"{request.full_url} answered {error.code}: {error.read().decode()[:500]}") from error


@contextmanager
def serving(environment: Mapping[str, str], port: int, log: Path) -> Iterator[Client]:
    """The server for the length of the block: ready when the block begins, gone when it ends."""
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "serve_apps.serve", "--port", str(port)],
            cwd=CODE_ROOT,
            env={**os.environ, **environment},
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C reaches the demo alone, which then stops the server in order
        )
        try:
            client = Client(f"http://127.0.0.1:{port}")
            _wait_ready(client, process, log)
            yield client
        finally:
            _stop(process)


def free_port(preferred: int) -> int:
    """`preferred` when nothing listens there, else any free port of loopback."""
    for port in (preferred, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise ShoalError("no free port on 127.0.0.1. Stop another server and try again.")


def _wait_ready(client: Client, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + _READY_TIMEOUT_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        try:
            client.get("/api/health/ready")
            return
        except (ShoalError, OSError):
            time.sleep(0.25)
    tail = log.read_text(errors="replace")[-2_000:]
    raise ShoalError(f"the server did not become ready within {_READY_TIMEOUT_S:.0f} s. Its log ends:\n{tail}")


def _stop(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is not None:
        return
    process.send_signal(signal.SIGINT)
    try:
        process.wait(_STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        say("the server did not stop in time; ending it")
        process.kill()
        process.wait()
