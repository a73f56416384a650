"""Ports are free, different, and not such as the system gives away."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from cluster import free_ports as module
from cluster.free_ports import free_port, free_ports


def test_they_are_different_and_can_be_listened_on() -> None:
    ports = free_ports(50)
    assert len(set(ports)) == 50
    for port in ports:
        with socket.socket() as server:
            server.bind(("127.0.0.1", port))
            server.listen()


def test_the_system_gives_none_of_them_to_a_connection() -> None:
    kernel = Path("/proc/sys/net/ipv4/ip_local_port_range")
    if not kernel.exists():
        pytest.skip("this system does not say which ports it gives to connections")
    first = int(kernel.read_text().split()[0])
    assert free_port() < first


def test_one_that_is_taken_is_not_among_them(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", free_port()))
        taken.listen()
        monkeypatch.setattr(module, "_FIRST", taken.getsockname()[1])
        monkeypatch.setattr(module, "_LAST", taken.getsockname()[1])
        with pytest.raises(OSError, match="are free on"):
            free_port()
    assert free_port() == module._FIRST  # the only one, and free again
