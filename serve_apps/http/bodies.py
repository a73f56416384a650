"""The body of a request: read up to a size, unpacked up to the same size, and handed on as if it had come so."""

from __future__ import annotations

import zlib

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serve_apps.http.errors import HttpError

MAX_BODY_BYTES = 1 << 20
"""Of what is sent, and of what it unpacks to."""
_GZIP_BITS = 31
"""zlib's word for a gzip header, the largest window, and a checksum that is looked at."""


class WholeBody:
    """ASGI middleware: what comes through has its body whole and unpacked."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        try:
            body = await read_body(receive, dict(scope["headers"]))
        except HttpError as refusal:
            await refusal.response()(scope, receive, send)
            return
        await self._app(scope, replay(body, receive), send)


async def read_body(receive: Receive, headers: dict[bytes, bytes]) -> bytes:
    """The body, unpacked. `HttpError` as soon as it is known to be too large, or packed in a way that is not taken."""
    unpack = _unpacker(headers.get(b"content-encoding", b""))
    length = headers.get(b"content-length", b"0")
    if not length.isdigit() or int(length) > MAX_BODY_BYTES:  # before a byte of it is read
        raise _too_large(length.decode("latin-1")[:20])
    parts: list[bytes] = []
    sent = size = 0
    more = True
    while more:
        message = await receive()
        if message["type"] != "http.request":
            raise HttpError(400, "cut_off", "the connection ended before the body did. Send it again.")
        part, more = message.get("body", b""), message.get("more_body", False)
        sent += len(part)
        if sent > MAX_BODY_BYTES:
            raise _too_large("more")
        if unpack is not None and part:
            part = unpack.feed(part, MAX_BODY_BYTES - size)
        parts.append(part)
        size += len(part)
    if unpack is not None and sent:
        unpack.check_end()
    return b"".join(parts)


def replay(body: bytes, receive: Receive) -> Receive:
    """A `receive` that hands out the body, then what comes after it."""
    sent = False

    async def again() -> Message:
        nonlocal sent
        if sent:
            return await receive()
        sent = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again


class _Gunzip:
    """One gzip stream, unpacked as it comes and never further than there is room."""

    def __init__(self) -> None:
        self._stream = zlib.decompressobj(_GZIP_BITS)

    def feed(self, part: bytes, room: int) -> bytes:
        """The next bytes; `HttpError` 413 when there are more than `room`, found after unpacking one byte too many."""
        try:
            unpacked = self._stream.decompress(part, room + 1)
        except zlib.error as error:
            raise HttpError(400, "not_gzip", f"the body is not gzip ({error}). Send it again, or unpacked.") from None
        if len(unpacked) > room:
            raise _too_large(f"more than {MAX_BODY_BYTES} unpacked")
        if self._stream.unused_data:
            # A second stream might follow; a million empty ones would cost time and yield nothing.
            raise HttpError(400, "not_gzip", "there are bytes after the end of the gzip stream. Send one stream.")
        return unpacked

    def check_end(self) -> None:
        """`HttpError` when the stream has no end yet."""
        if not self._stream.eof:
            raise HttpError(400, "not_gzip", "the gzip stream ends too early. Send it again.")


def _unpacker(encoding: bytes) -> _Gunzip | None:
    name = encoding.decode("latin-1").strip().lower()
    if name in ("gzip", "x-gzip"):
        return _Gunzip()
    if name in ("", "identity"):
        return None
    message = f"Content-Encoding {name[:40]!r} is not taken. Send gzip, or the body as it is."
    raise HttpError(415, "unknown_encoding", message, {"Accept-Encoding": "gzip"})


def _too_large(size: str) -> HttpError:
    return HttpError(
        413, "body_too_large", f"the body has {size} bytes; at most {MAX_BODY_BYTES} are taken. Send smaller batches."
    )
