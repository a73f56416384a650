"""A session of its own: nobody beyond this machine can reach any process of it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path

import pytest

_SESSION = """
import ray, torch.distributed as dist
from cluster.ray_session import ray_session

@ray.remote(num_cpus=0)
class Worker:
    def meet(self, rank, file):
        dist.init_process_group("gloo", init_method=f"file://{file}", rank=rank, world_size=2)

with ray_session():
    workers = [Worker.remote() for _ in range(2)]
    ray.get([worker.meet.remote(rank, FILE) for rank, worker in enumerate(workers)])
    print("up", flush=True)
    input()
"""


@pytest.mark.skipif(not Path("/proc/net/tcp6").exists(), reason="reads Linux's tables of sockets")
def test_a_private_session_listens_on_loopback_alone(tmp_path: Path) -> None:
    script = _SESSION.replace("FILE", repr(str(tmp_path / "group")))
    env = {name: value for name, value in os.environ.items() if name != "RAY_ADDRESS"} | {"SESSION_OF": str(tmp_path)}
    session = subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=env
    )
    assert session.stdin
    assert session.stdout
    try:
        assert session.stdout.readline() == "up\n"
        heard = {address for pid in pids_with(f"SESSION_OF={tmp_path}") for address in listening(pid)}
    finally:
        session.communicate("\n", timeout=60)
    assert len(heard) >= 5  # the control store, the node's agent and its workers
    assert {address for address, _ in heard if not is_loopback(address)} == set()


def pids_with(variable: str) -> list[int]:
    """Processes that inherited an environment variable."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if variable.encode() in (folder / "environ").read_bytes().split(b"\0"):
                found.append(int(folder.name))
        except (PermissionError, FileNotFoundError, ProcessLookupError):
            continue
    return found


def listening(pid: int) -> set[tuple[str, int]]:
    """Addresses and ports on which a process accepts TCP."""
    held = {os.readlink(link) for link in Path(f"/proc/{pid}/fd").iterdir()}
    sockets = {found[1] for link in held if (found := re.fullmatch(r"socket:\[(\d+)\]", link))}
    rows = [line.split() for name in ("tcp", "tcp6") for line in Path(f"/proc/net/{name}").read_text().splitlines()[1:]]
    return {address_of(row[1]) for row in rows if row[3] == "0A" and row[9] in sockets}


def address_of(cell: str) -> tuple[str, int]:
    """An address as the kernel writes it: words of four bytes, each of them in the order of this machine."""
    host, port = cell.split(":")
    words = [int(host[i : i + 8], 16).to_bytes(4, sys.byteorder) for i in range(0, len(host), 8)]
    packed = b"".join(words)
    return str(IPv4Address(packed) if len(packed) == 4 else IPv6Address(packed)), int(port, 16)


def is_loopback(address: str) -> bool:
    found = ip_address(address)
    return (getattr(found, "ipv4_mapped", None) or found).is_loopback
