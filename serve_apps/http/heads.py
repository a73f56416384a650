"""What comes before a body: how large it may be, and that the query says each thing once, in UTF-8."""

from __future__ import annotations

from collections import Counter
from urllib.parse import unquote_to_bytes

from starlette.types import Scope

from serve_apps.http.errors import HttpError

MAX_URL_BYTES = 16_384
MAX_HEADER_BYTES = 16_384
MAX_HEADERS = 100
"""A proxy in front may take less: HAProxy, as Ray Serve starts it, some 15 KiB of URL and headers together."""
_SEEN_BYTES = 60


def check_size(scope: Scope) -> None:
    """`HttpError` 414 or 431 for a URL or headers that are too much."""
    url_bytes = len(_raw_path(scope)) + len(scope["query_string"])
    if url_bytes > MAX_URL_BYTES:
        message = f"the URL has {url_bytes} bytes; at most {MAX_URL_BYTES} are taken. Ask for less, or filter less."
        raise HttpError(414, "url_too_long", message)
    headers = scope["headers"]
    header_bytes = sum(len(name) + len(value) for name, value in headers)
    if len(headers) > MAX_HEADERS or header_bytes > MAX_HEADER_BYTES:
        seen = f"there are {len(headers)} headers of {header_bytes} bytes"
        allowed = f"at most {MAX_HEADERS} of together {MAX_HEADER_BYTES} are taken"
        raise HttpError(431, "headers_too_large", f"{seen}; {allowed}. Send fewer, such as no cookies.")


def check_text(scope: Scope) -> None:
    """`HttpError` 400 or 422 for what would be read as something else than was sent.

    Bytes that are no UTF-8 would become U+FFFD, so that different ids would be one; of a parameter that stands twice
    all but the last would be ignored.
    """
    query = scope["query_string"]
    _check_utf8("path", _raw_path(scope))
    _check_utf8("query", query)
    names = [unquote_to_bytes(part.partition(b"=")[0].replace(b"+", b" ")) for part in query.split(b"&") if part]
    if len(set(names)) < len(names):
        name, times = Counter(names).most_common(1)[0]
        message = (
            f"query.{name[:_SEEN_BYTES].decode(errors='replace')}: it stands {times} times. Send each parameter once."
        )
        raise HttpError(422, "repeated_parameter", message)


def _check_utf8(where: str, raw: bytes) -> None:
    if b"%" not in raw and raw.isascii():
        return
    try:
        unquote_to_bytes(raw).decode()
    except UnicodeDecodeError as error:
        seen = error.object[error.start : error.start + 4]
        message = f"the {where} is not UTF-8: got the bytes {seen.hex(' ')}. Percent-encode the UTF-8 of the text."
        raise HttpError(400, "not_utf8", message) from None


def _raw_path(scope: Scope) -> bytes:
    raw: bytes = scope.get("raw_path") or scope["path"].encode()
    return raw
