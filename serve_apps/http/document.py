"""What the OpenAPI document says of keys: the door asks for them before any route does, so no route can say it."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI

from serve_apps.http.access import OPEN_PATHS

_SCHEMES = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "A key, as `shoal keys add` prints it."},
    "key": {"type": "apiKey", "in": "header", "name": "X-API-Key", "description": "The same key."},
}


def document_keys(app: FastAPI) -> None:
    """Add to the application's document that every path but the probes takes a key, in either of two headers."""
    make = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            document = make()
            document["components"]["securitySchemes"] = _SCHEMES
            document["security"] = [{name: []} for name in _SCHEMES]
            for path in OPEN_PATHS:
                for operation in document["paths"][path].values():
                    operation["security"] = []
        return app.openapi_schema or {}

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's own way to extend it
