"""Ports for servers that are about to start."""

from __future__ import annotations

import random
import socket

_FIRST, _LAST = 20_000, 29_999
"""Below those that systems give to outgoing connections, and beside those that Ray gives to its processes: a port that
the system chose may be an outgoing connection's a moment later, and the server then cannot start.
"""
_chance = random.SystemRandom()


def free_ports(count: int, host: str = "127.0.0.1") -> list[int]:
    """So many different ports on which nobody listens now. `OSError` when there are none."""
    found: list[int] = []
    for port in _chance.sample(range(_FIRST, _LAST + 1), _LAST + 1 - _FIRST):
        with socket.socket() as probe:
            try:
                probe.bind((host, port))
            except OSError:
                continue
            found.append(port)
        if len(found) == count:
            return found
    raise OSError(f"fewer than {count} ports of {_FIRST} to {_LAST} are free on {host}")


def free_port(host: str = "127.0.0.1") -> int:
    """One of them."""
    return free_ports(1, host)[0]
