"""Behind the door, before a body is read: requests that would wait too long are turned away with a 503 of ours.

Serve turns away too, by `max_queued_requests`, in words of its own. Its bounds are so wide (`serve_options.py`) that
these here come first, and so cheap here that a flood of requests does not take the time of those that are answered.
"""

from __future__ import annotations

from typing import Protocol

from starlette.types import ASGIApp, Receive, Scope, Send

from serve_apps.http.errors import HttpError

ROWS, HEALTH = "/api/recommendations/", "/api/health"
MAX_OTHERS = 128
"""Writes and the rest under way at a time; they have a handful of threads, and a store that hangs would let them pile
up. A row's bound is the chain's (`chain/admission.py`)."""


class Chain(Protocol):
    """What tells whether another row would be in time."""

    @property
    def full(self) -> bool: ...


class Shedding:
    """ASGI middleware. Health is always answered: it is what a probe asks in order to know."""

    def __init__(self, app: ASGIApp, chain: Chain) -> None:
        self._app, self._chain = app, chain
        self._others = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"].startswith(HEALTH):
            await self._app(scope, receive, send)
        elif scope["path"].startswith(ROWS):
            if self._chain.full:
                await busy("more rows are asked for than can be answered in time").response()(scope, receive, send)
            else:
                await self._app(scope, receive, send)
        elif self._others >= MAX_OTHERS:
            await busy(f"{self._others} requests wait for the store already").response()(scope, receive, send)
        else:
            self._others += 1
            try:
                await self._app(scope, receive, send)
            finally:
                self._others -= 1


def busy(what: str) -> HttpError:
    """The refusal of one request too many."""
    return HttpError(503, "busy", f"{what}. Nothing was done; try again as Retry-After says.")
