"""What a user may ask of us by law: to be forgotten, and to see what is held."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Iterator
from typing import IO, Annotated, Any

from fastapi import APIRouter, Path, Request
from fastapi.responses import StreamingResponse
from pydantic import BaseModel

from cluster.delta.lake import Lake
from cluster.online.held_data import Holders, write_held
from cluster.online.store import OnlineStore
from cluster.privacy.erasure_jobs import hide
from cluster.privacy.keys import load_keys
from cluster.registry import Registry
from cluster.settings import Settings
from serve_apps.http.api import Id
from serve_apps.http.errors import ERRORS, HttpError

_PART_BYTES = 1 << 18
_IN_MEMORY_BYTES = 8 << 20
UserId = Annotated[Id, Path(alias="id")]


class ErasureResponse(BaseModel):
    """The user is in no answer any more. `shoal forget --pending` erases the rest, and signs the receipt."""

    erasure_id: str
    subject: str
    requested_at: str


def privacy_routes(store: OnlineStore, settings: Settings | None = None) -> APIRouter:
    """`DELETE /api/users/{id}` and `GET /api/users/{id}/data`."""
    routes = APIRouter(responses=ERRORS)

    @routes.get(
        "/api/users/{id:path}/data",
        response_class=StreamingResponse,
        responses={200: {"content": {"application/zip": {}}}},
    )
    async def held(id_: UserId) -> StreamingResponse:
        """Everything that is held of the user: a zip of JSON Lines with a README. Minutes on a large lake."""
        return await asyncio.to_thread(_held, id_, store, settings or Settings())

    @routes.api_route("/api/users/{id:path}/data", methods=["POST", "PUT", "PATCH", "DELETE"], include_in_schema=False)
    async def not_taken(request: Request) -> None:
        """Without it, `DELETE …/u1/data` would forget a user `u1/data`, and who meant `u1` would think it done."""
        message = (
            f"{request.url.path[:60]} does not take {request.method}, but GET. To forget a user: DELETE /api/users/ID."
        )
        raise HttpError(405, "http_405", message, {"Allow": "GET"})

    @routes.delete("/api/users/{id:path}", response_model=ErasureResponse, status_code=202)
    async def forget(id_: UserId) -> dict[str, Any]:
        """Forget a user, known or not: out of the very next answer now, out of all else soon. Again is no error."""
        keys = load_keys(settings)
        job = await asyncio.to_thread(hide, store, keys, [id_])
        return {"erasure_id": job.job_id, "subject": keys.subject(id_).hex(), "requested_at": job.requested_at}

    return routes


def _held(user_id: str, store: OnlineStore, settings: Settings) -> StreamingResponse:
    lake, registry = Lake(settings.lake_uri), Registry(settings.registry_uri)
    file = tempfile.SpooledTemporaryFile(_IN_MEMORY_BYTES)  # noqa: SIM115 - the answer closes it
    write_held(user_id, Holders(store, lake, registry, settings.runs_uri, load_keys(settings)), file)
    file.seek(0)
    headers = {"Content-Disposition": 'attachment; filename="data.zip"', "Cache-Control": "no-store"}
    return StreamingResponse(_parts(file), media_type="application/zip", headers=headers)


def _parts(file: IO[bytes]) -> Iterator[bytes]:
    with file:
        while part := file.read(_PART_BYTES):
            yield part
