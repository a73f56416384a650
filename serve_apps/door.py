"""The first thing a request meets: its key, where it comes from, and the size of its body."""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from ipaddress import ip_address
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serve_apps.http_errors import error_response

MAX_BODY_BYTES = 1 << 20
_OPEN_PATHS = ("/api/health/live", "/api/health/ready")


class Door:
    """ASGI middleware. Without keys only this machine may talk; with keys every path but the probes asks for one."""

    def __init__(self, app: ASGIApp, api_keys: Sequence[str]) -> None:
        self._app = app
        self._keys = [key.encode() for key in api_keys]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        refusal = self._refuse(scope, headers)
        if refusal is not None:
            await refusal(scope, receive, send)
            return
        body = await _read_body(receive)
        if body is None:
            await _too_large("more")(scope, receive, send)
            return
        await self._app(scope, _replay(body, receive), send)

    def _refuse(self, scope: Scope, headers: dict[bytes, bytes]) -> Any:
        length = headers.get(b"content-length", b"0")
        if not length.isdigit() or int(length) > MAX_BODY_BYTES:
            return _too_large(length.decode("latin-1")[:20])
        if self._keys:
            if scope["path"] in _OPEN_PATHS or self._known(headers):
                return None
            return error_response(401, "no_key", "this server asks for a key. Send Authorization: Bearer KEY.")
        if _is_this_machine(scope):
            return None
        return error_response(
            401, "no_key", "without SHOAL_API_KEYS the server answers on this machine only. Set keys."
        )

    def _known(self, headers: dict[bytes, bytes]) -> bool:
        sent = headers.get(b"x-api-key") or headers.get(b"authorization", b"").removeprefix(b"Bearer ")
        # Every key is compared, in constant time, so that timing tells nothing.
        return sum(hmac.compare_digest(sent, key) for key in self._keys) > 0


def _is_this_machine(scope: Scope) -> bool:
    """True when both ends have one address, as on loopback or through a proxy on this machine."""
    client, server = scope.get("client"), scope.get("server")
    if client is None:  # a socket of this machine's file system
        return True
    try:
        return ip_address(client[0]).is_loopback or bool(server and client[0] == server[0])
    except ValueError:
        return bool(client[0] == "testclient")


async def _read_body(receive: Receive) -> bytes | None:
    """The body, or None as soon as it is larger than allowed."""
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return b"".join(parts)
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > MAX_BODY_BYTES:
            return None
        if not message.get("more_body", False):
            return b"".join(parts)


def _replay(body: bytes, receive: Receive) -> Receive:
    sent = False

    async def again() -> Message:
        nonlocal sent
        if sent:
            return await receive()
        sent = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again


def _too_large(size: str) -> Any:
    return error_response(
        413, "body_too_large", f"the body has {size} bytes; at most {MAX_BODY_BYTES} are taken. Send smaller batches."
    )
