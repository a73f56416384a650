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
_MAX_DETAILS = 20
ERRORS: dict[int | str, dict[str, Any]] = {
    status: {"model": ErrorResponse} for status in (400, 401, 403, 404, 405, 413, 414, 415, 422, 429, 431, 503)
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


def first_problem(errors: Sequence[Any], known: Sequence[str] = ()) -> str:
    """The first problem of a pydantic error in words: where, what, and what was seen. `known`: the fields there are."""
    error = errors[0]
    where = ".".join(_printable(part) for part in error["loc"]) or "body"
    if error["type"] == "extra_forbidden":
        near = difflib.get_close_matches(str(error["loc"][-1])[:_SEEN_CHARS], known, n=1, cutoff=0.0)
        rather = f"The nearest is {near[0]!r}" if near else "Remove it"
        return f"{where}: unknown field. {rather}; see /openapi.json for the known ones."
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
    headers = dict(error.headers or {})
    if error.status_code == 404:
        paths = list(request.app.openapi()["paths"])
        near = difflib.get_close_matches(path[:_SEEN_CHARS], paths, n=1, cutoff=0.0)[0]
        message = f"there is no path {path[:_SEEN_CHARS]!r}. The nearest is {near}; see /openapi.json."
    elif error.status_code == 405:
        # Each method is a route of its own, and the one that matched first knows of no other.
        headers["Allow"] = ", ".join(sorted(map(str.upper, _operations(request)))) or headers.get("Allow", "GET")
        message = (
            f"{path[:_SEEN_CHARS]} does not take {method[:_SEEN_CHARS]}, but {headers['Allow']}. See /openapi.json."
        )
    else:
        message = str(error.detail)
    return error_response(error.status_code, f"http_{error.status_code}", message, headers=headers)


async def _on_invalid(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    problems = error.errors()[:_MAX_DETAILS]
    details = [{"where": ".".join(map(_printable, e["loc"])), "message": e["msg"]} for e in problems]
    return error_response(422, "invalid_request", first_problem(problems, _known_fields(request)), details)


def _operations(request: Request) -> dict[str, Any]:
    """What the document says of the path that was asked, by method in small letters."""
    route = request.scope.get("route")
    return dict(request.app.openapi()["paths"].get(getattr(route, "path_format", ""), {}))


def _known_fields(request: Request) -> list[str]:
    """Names of the fields that the operation takes, in its query and in its body."""
    operation = _operations(request).get(request.method.lower(), {})
    names = [parameter["name"] for parameter in operation.get("parameters", [])]
    for content in operation.get("requestBody", {}).get("content", {}).values():
        schema = content["schema"]
        if "$ref" in schema:
            schema = request.app.openapi()["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
        names += schema.get("properties", {})
    return names


def _printable(part: object) -> str:
    """A name as it came, cut, and without halves of surrogate pairs, which could not be sent back."""
    return str(part)[:_SEEN_CHARS].encode(errors="replace").decode()


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
