"""A way to an S3 endpoint that can be cut at any byte and mended: the endpoint itself keeps what reached it."""

from __future__ import annotations

import socket
import struct
import threading
from contextlib import suppress
from urllib.parse import urlsplit

_RESET = struct.pack("ii", 1, 0)
"""Linger for no time: closing sends a reset, as the kernel does for a killed process."""


class FrailEndpoint:
    """Passes bytes on to `url`; once `cut_after` so many have gone up, it resets all connections and is gone."""

    def __init__(self, url: str) -> None:
        address = urlsplit(url)
        assert address.hostname
        assert address.port
        self._target = (address.hostname, address.port)
        self._listener = self._listen(0)
        self.port = int(self._listener.getsockname()[1])
        self.url = f"http://127.0.0.1:{self.port}"
        self._open: set[socket.socket] = set()
        self._left: int | None = None
        self._lock = threading.Lock()
        self.was_cut = threading.Event()
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def cut_after(self, num_bytes: int) -> None:
        """Fail once so many more bytes have been sent to the endpoint."""
        self.was_cut.clear()
        self._left = num_bytes

    def mend(self) -> None:
        """Listen again at the same address."""
        self._left = None
        self._listener = self._listen(self.port)
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def close(self) -> None:
        """Reset every connection and listen no more."""
        with self._lock, suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in list(self._open):
            with suppress(OSError):
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()
        self._open.clear()

    @staticmethod
    def _listen(port: int) -> socket.socket:
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
        listener.listen()
        return listener

    def _accept(self, listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                near, _ = listener.accept()
                far = socket.create_connection(self._target)
                self._open |= {near, far}
                threading.Thread(target=self._pass, args=(near, far, True), daemon=True).start()
                threading.Thread(target=self._pass, args=(far, near, False), daemon=True).start()

    def _pass(self, source: socket.socket, sink: socket.socket, is_upward: bool) -> None:
        with suppress(OSError):
            while data := source.recv(1024):
                if is_upward and self._is_spent(len(data)):
                    self.close()
                    self.was_cut.set()
                    return
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)

    def _is_spent(self, num_bytes: int) -> bool:
        with self._lock:
            if self._left is None:
                return False
            self._left -= num_bytes
            return self._left < 0
