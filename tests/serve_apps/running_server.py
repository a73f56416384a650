"""`python -m serve_apps.serve` as a child process with a Ray of its own, as a person starts it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from cluster.free_ports import free_port

_ROOT = Path(__file__).resolve().parent.parent.parent
_READY_TIMEOUT_S = 180.0
_STOP_TIMEOUT_S = 60.0


@dataclass(frozen=True)
class RunningServer:
    """Its address, and the folder that only its processes have in their environment."""

    url: str
    home: Path

    def replicas(self, deployment: str) -> list[int]:
        """Process ids of a deployment's replicas."""
        return [pid for pid, title in self.processes() if title.startswith(f"ray::ServeReplica:shoal:{deployment}")]

    def cpu_s(self) -> float:
        """CPU seconds that the processes of this server have used so far."""
        ticks = 0
        for pid, _ in self.processes():
            try:
                fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue  # it ended meanwhile
            ticks += int(fields[11]) + int(fields[12])
        return ticks / os.sysconf("SC_CLK_TCK")

    def processes(self) -> list[tuple[int, str]]:
        """Process id and title of every process of this server."""
        mark = f"SHOAL_HOME={self.home}".encode()
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                if mark in (folder / "environ").read_bytes():
                    found.append((int(folder.name), (folder / "cmdline").read_bytes().decode().replace("\0", " ")))
            except OSError:
                continue  # it ended meanwhile, or is not ours to read
        return found


@contextmanager
def running_server(
    home: Path,
    registry: str,
    *options: str,
    environment: Mapping[str, str] | None = None,
    module: str = "serve_apps.serve",
) -> Iterator[RunningServer]:
    """The server for the length of the block; fails with its log when it does not become ready or does not stop."""
    port = free_port()
    log = home / "server.log"
    without = {name: value for name, value in os.environ.items() if not name.startswith(("RAY_", "SHOAL_"))}
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", module, "--registry", registry, "--port", str(port), *options],
            cwd=_ROOT,
            env={**without, "SHOAL_HOME": str(home), **(environment or {})},
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            url = f"http://127.0.0.1:{port}"
            _wait_ready(url, process, log)
            yield RunningServer(url, home)
        finally:
            _stop(process)
    assert process.returncode == 0, log.read_text()


def _wait_ready(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + _READY_TIMEOUT_S
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if httpx.get(f"{url}/api/health/ready", timeout=5).status_code == 200:
                return
        except httpx.HTTPError:
            pass  # not listening yet
        time.sleep(0.2)
    raise AssertionError(f"the server did not become ready:\n{log.read_text()[-4_000:]}")


def _stop(process: subprocess.Popen[bytes]) -> None:
    """In order, so that it stops what it started; by force only when that takes too long."""
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(_STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
