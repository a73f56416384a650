"""The first thing a request meets: its key, what that key may do and how often, and the size of its head."""

from __future__ import annotations

import math
import time
from ipaddress import ip_address

from starlette.types import ASGIApp, Receive, Scope, Send

from cluster.access.api_keys import Rates, Role
from serve_apps.http.access import OPEN_PATHS, roles_for
from serve_apps.http.errors import HttpError
from serve_apps.http.heads import check_size, check_text
from serve_apps.http.keys import Caller, LiveKeys
from serve_apps.http.rate_limits import KeyLimits

_ANYBODY = Caller("this machine", frozenset(Role), KeyLimits(Rates()))
"""Who asks where no key is needed."""


class Door:
    """ASGI middleware. Without keys only this machine may talk; with keys every path but the probes asks for one.

    What comes through has its `Caller` in `request.state.caller`. Its body is not read yet.
    """

    def __init__(self, app: ASGIApp, keys: LiveKeys) -> None:
        self._app, self._keys = app, keys

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        elif scope["type"] == "http":
            await self._http(scope, receive, send)
        else:  # no route of ours is a web socket, and one that is added must not stand open
            await send({"type": "websocket.close", "code": 1008})

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = dict(scope["headers"])
        try:
            check_size(scope)
            scope.setdefault("state", {})["caller"] = self._admit(scope, headers)
            check_text(scope)
        except HttpError as refusal:
            await refusal.response()(scope, receive, send)
            return
        await self._app(scope, receive, send)

    def _admit(self, scope: Scope, headers: dict[bytes, bytes]) -> Caller:
        """Who asks; `HttpError` 401, 403 or 429 when they may not."""
        if not self._keys.asks():
            _check_nearby(scope, headers)
            return _ANYBODY
        if scope["path"] in OPEN_PATHS:
            return _ANYBODY
        caller = self._known(headers)
        wait_s = caller.limits.take_request(time.monotonic())
        if wait_s:
            raise too_many(f"key {caller.name!r} has no request left", wait_s)
        _check_role(caller, scope["method"], scope["path"])
        return caller

    def _known(self, headers: dict[bytes, bytes]) -> Caller:
        sent = headers.get(b"x-api-key") or _bearer(headers.get(b"authorization", b""))
        if not sent:
            message = "this server asks for a key. Send it as Authorization: Bearer KEY, or as X-API-Key: KEY."
            raise _unauthorized("no_key", message)
        caller = self._keys.find(sent)
        if caller is None:
            raise _unauthorized("unknown_key", "this key is not known here: mistyped, revoked, or of another server.")
        if caller.expires is not None and caller.expires <= time.time():
            message = f"key {caller.name!r} has expired. Get a new one: shoal keys rotate {caller.name}."
            raise _unauthorized("expired_key", message)
        return caller


def too_many(what: str, wait_s: float) -> HttpError:
    """The refusal of somebody who asks too often; says after how many whole seconds to come back."""
    seconds = math.ceil(wait_s)
    message = f"{what}. Wait {seconds} s, as Retry-After says, or ask for a higher limit."
    return HttpError(429, "too_many", message, {"Retry-After": str(seconds)})


def _check_nearby(scope: Scope, headers: dict[bytes, bytes]) -> None:
    """Without keys: this machine, and no page of another site that a browser on it has open."""
    if not _from_this_machine(scope):
        message = "this server has no keys and answers on its own machine only. Make one: shoal keys add."
        raise HttpError(401, "no_keys", message)
    origin = headers.get(b"origin")
    if origin is not None and origin.partition(b"://")[2] != headers.get(b"host"):
        message = f"this server has no keys and takes nothing from pages of {origin.decode('latin-1')[:60]!r}."
        raise HttpError(403, "other_site", message + " Make one: shoal keys add.")


def _check_role(caller: Caller, method: str, path: str) -> None:
    needed = roles_for(method, path)
    if caller.roles & needed:
        return
    has, need = (" or ".join(role for role in Role if role in roles) for roles in (caller.roles, needed))
    message = f"{method} {path[:60]} needs the role {need}; key {caller.name!r} has {has}. Use another key."
    raise HttpError(403, "wrong_role", message)


def _bearer(authorization: bytes) -> bytes:
    """The key of `Bearer KEY`; empty for any other scheme."""
    scheme, _, key = authorization.partition(b" ")
    return key.strip() if scheme.lower() == b"bearer" else b""


def _unauthorized(code: str, message: str) -> HttpError:
    return HttpError(401, code, message, {"WWW-Authenticate": "Bearer"})


def _from_this_machine(scope: Scope) -> bool:
    """True when the caller, or the proxy in front of us, talks over loopback."""
    client = scope.get("client")
    try:
        return client is not None and ip_address(client[0]).is_loopback
    except ValueError:
        return False
