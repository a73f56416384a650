"""Every error in one shape: `{"error": {"code", "message", "details"}}`."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from models.errors import InputError, StoreError

_log = logging.getLogger(__name__)
_RETRY_AFTER_S = "1"


class HttpError(Exception):
    """An answer other than 2xx, on purpose."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message


def error_response(
    status: int, code: str, message: str, details: Sequence[dict[str, Any]] = (), headers: dict[str, str] | None = None
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
        return f"{where}: unknown field. Remove it or see /openapi.json."
    seen = str(error.get("input"))
    return f"{where}: {error['msg']}; got {seen[:60]!r}."


def install_error_handlers(app: FastAPI) -> None:
    """Turn every exception into the one shape."""

    async def on_http(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, HTTPException)
        hints = {404: "there is no such path. See /openapi.json.", 405: "this path does not take that method."}
        message = hints.get(error.status_code, str(error.detail))
        return error_response(
            error.status_code, f"http_{error.status_code}", message, headers=dict(error.headers or {})
        )

    async def on_invalid(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, RequestValidationError)
        details = [{"where": ".".join(map(str, e["loc"])), "message": e["msg"]} for e in error.errors()]
        return error_response(422, "invalid_request", first_problem(error.errors()), details)

    async def on_ours(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, HttpError)
        headers = {"Retry-After": _RETRY_AFTER_S} if error.status == 503 else None
        return error_response(error.status, error.code, error.message, headers=headers)

    async def on_input(request: Request, error: Exception) -> JSONResponse:
        return error_response(422, "invalid_request", str(error))

    async def on_store(request: Request, error: Exception) -> JSONResponse:
        _log.error("the store did not answer: %s", error)
        message = "the events may not have been kept. Send them again with the same interaction_id."
        return error_response(503, "store_unavailable", message, headers={"Retry-After": _RETRY_AFTER_S})

    async def on_any(request: Request, error: Exception) -> JSONResponse:
        _log.exception("unexpected", exc_info=error)
        return error_response(500, "internal", "something went wrong here. It has been logged; try again.")

    app.add_exception_handler(HTTPException, on_http)
    app.add_exception_handler(RequestValidationError, on_invalid)
    app.add_exception_handler(HttpError, on_ours)
    app.add_exception_handler(InputError, on_input)
    app.add_exception_handler(StoreError, on_store)
    app.add_exception_handler(Exception, on_any)
