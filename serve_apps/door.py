"""The first thing a request meets: its key, where it comes from, and the size of its body."""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from ipaddress import ip_address

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
        refusal = self._refuse(scope, headers) or _refuse_length(headers.get(b"content-length", b"0"))
        if refusal is None:
            body = await _read_body(receive)
            if body is not None:
                await self._app(scope, _replay(body, receive), send)
                return
            refusal = _too_large("more")
        await refusal(scope, receive, send)

    def _refuse(self, scope: Scope, headers: dict[bytes, bytes]) -> ASGIApp | None:
        if not self._keys and not _from_this_machine(scope):
            message = "this server has no keys and answers on its own machine only. Set SHOAL_API_KEYS."
            return error_response(401, "no_keys", message)
        if self._keys and scope["path"] not in _OPEN_PATHS and not self._known(headers):
            message = "this server asks for a key. Send it as Authorization: Bearer KEY, or as X-API-Key: KEY."
            return error_response(401, "no_key", message, headers={"WWW-Authenticate": "Bearer"})
        return None

    def _known(self, headers: dict[bytes, bytes]) -> bool:
        sent = headers.get(b"x-api-key") or headers.get(b"authorization", b"").removeprefix(b"Bearer ")
        known = False
        for key in self._keys:  # all of them, each in constant time, so that timing tells nothing
            known |= hmac.compare_digest(sent, key)
        return known


def _from_this_machine(scope: Scope) -> bool:
    """True when the caller, or the proxy in front of us, talks over loopback."""
    client = scope.get("client")
    try:
        return client is not None and ip_address(client[0]).is_loopback
    except ValueError:
        return False


def _refuse_length(length: bytes) -> ASGIApp | None:
    """Before the body is read: what it says of its own size."""
    if length.isdigit() and int(length) <= MAX_BODY_BYTES:
        return None
    return _too_large(length.decode("latin-1")[:20])


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


def _too_large(size: str) -> ASGIApp:
    return error_response(
        413, "body_too_large", f"the body has {size} bytes; at most {MAX_BODY_BYTES} are taken. Send smaller batches."
    )
