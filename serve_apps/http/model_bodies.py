"""Bodies that are one object of a pydantic model, read as strictly as events are, whatever `Content-Type` says."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ValidationError

from serve_apps.http.errors import HttpError
from serve_apps.http.strict_json import parse_json, repeated_key

_Model = TypeVar("_Model", bound=BaseModel)


def body_of(model: type[_Model]) -> Callable[[Request], Awaitable[_Model]]:
    """A dependency: the body as a model; `HttpError` 400 and 422, `RequestValidationError`."""

    async def read(request: Request) -> _Model:
        body = await request.body()
        key = repeated_key(parse_json(body))
        if key is not None:
            raise HttpError(422, "invalid_request", f"body.{key[:60]}: it stands more than once. Send each once.")
        try:
            return model.model_validate_json(body, strict=True)  # from JSON, so that a list may be a tuple
        except ValidationError as error:
            problems = [{**problem, "loc": ("body", *problem["loc"])} for problem in error.errors()]
            raise RequestValidationError(problems) from None

    return read


def described(model: type[BaseModel]) -> dict[str, Any]:
    """The same for the OpenAPI document, which cannot infer it from a dependency."""
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": model.model_json_schema()}}}}
