"""Every error in one shape: `{"error": {"code", "message", "details"}}`."""

from __future__ import annotations

import difflib
import logging
from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from models.errors import StoreError
from serve_apps.http.api import ErrorResponse

_log = logging.getLogger(__name__)
_RETRY_AFTER_S = "1"
_SEEN_CHARS = 60
ERRORS: dict[int | str, dict[str, Any]] = {
    status: {"model": ErrorResponse} for status in (400, 401, 403, 404, 405, 413, 415, 422, 429, 503)
}
"""The errors of every route, for the OpenAPI document."""


class HttpError(Exception):
    """An answer other than 2xx, on purpose."""

    def __init__(self, status: int, code: str, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message
        self.headers = headers or ({"Retry-After": _RETRY_AFTER_S} if status == 503 else {})

    def response(self) -> JSONResponse:
        """The answer itself."""
        return error_response(self.status, self.code, self.message, headers=self.headers)


def error_response(
    status: int,
    code: str,
    message: str,
    details: Sequence[dict[str, Any]] = (),
    headers: Mapping[str, str] | None = None,
) -> JSONResponse:
    """The one shape."""
    return JSONResponse(
        {"error": {"code": code, "message": message, "details": list(details)}}, status_code=status, headers=headers
    )


def first_problem(errors: Sequence[Any]) -> str:
    """The first problem of a pydantic error in words: where, what, and what was seen."""
    error = errors[0]
    where = ".".join(str(part) for part in error["loc"]) or "body"
    if error["type"] == "extra_forbidden":
        return f"{where}: unknown field. Remove it, or see /openapi.json for the known ones."
    if error["type"] == "missing":
        return f"{where}: this field is needed and missing. See /openapi.json."
    problem = str(error["msg"]).removeprefix("Value error, ")
    # repr, because half of a surrogate pair could not be sent back as it is.
    return f"{where}: {problem}; got {str(error.get('input'))[:_SEEN_CHARS]!r}."


def install_error_handlers(app: FastAPI) -> None:
    """Turn every exception into the one shape."""
    app.add_exception_handler(HTTPException, _on_http)
    app.add_exception_handler(RequestValidationError, _on_invalid)
    app.add_exception_handler(HttpError, _on_ours)
    app.add_exception_handler(StoreError, _on_store)
    app.add_exception_handler(Exception, _on_any)


async def _on_http(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    method, path = request.method, request.url.path
    if error.status_code == 404:
        paths = list(request.app.openapi()["paths"])
        near = difflib.get_close_matches(path, paths, n=1, cutoff=0.0)[0]
        message = f"there is no path {path[:_SEEN_CHARS]!r}. The nearest is {near}; see /openapi.json."
    elif error.status_code == 405:
        message = f"{path} does not take {method}. See /openapi.json."
    else:
        message = str(error.detail)
    return error_response(error.status_code, f"http_{error.status_code}", message, headers=dict(error.headers or {}))


async def _on_invalid(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    details = [{"where": ".".join(map(str, e["loc"])), "message": e["msg"]} for e in error.errors()]
    return error_response(422, "invalid_request", first_problem(error.errors()), details)


async def _on_ours(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HttpError)
    return error.response()


async def _on_store(_: Request, error: Exception) -> JSONResponse:
    _log.error("the store did not answer: %s", error)
    message = "the events may not have been kept. Send them again with the same interaction_id."
    return error_response(503, "store_unavailable", message, headers={"Retry-After": _RETRY_AFTER_S})


async def _on_any(_: Request, error: Exception) -> JSONResponse:
    _log.error("unexpected", exc_info=error)
    return error_response(500, "internal", "something went wrong here. It has been logged; try again.")
