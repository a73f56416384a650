"""Items and users: read, put, patched and deleted one by one, or put many at once. A write is in the next answer."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated, Any, TypeVar

import orjson
from fastapi import APIRouter, Depends, Path, Request
from fastapi.responses import Response
from pydantic import BaseModel

from cluster.online import catalogue
from cluster.online.catalogue import Kept, shown
from cluster.online.catalogue_store import CatalogueStore
from models.catalogue_entries import Entry, Kind, parse_entry, parse_named
from models.errors import InputError, NotFoundError, StoreError
from serve_apps.http.api import MAX_BATCH, Id
from serve_apps.http.catalogue_api import (
    DeletedItem,
    EntriesResponse,
    EntryVerdict,
    ItemResponse,
    UserResponse,
    entries_body,
    entry_body,
    patch_body,
)
from serve_apps.http.errors import ERRORS, HttpError

_T = TypeVar("_T")
_RESPONSES: dict[Kind, type[BaseModel]] = {Kind.ITEM: ItemResponse, Kind.USER: UserResponse}


def catalogue_routes(store: CatalogueStore) -> APIRouter:
    """`/api/items` and `/api/users` over a catalogue store."""
    routes = APIRouter(responses=ERRORS)
    for kind in Kind:
        _add_one(routes, store, kind)
        _add_many(routes, store, kind)
    return routes


async def _json(request: Request) -> Any:
    try:
        return orjson.loads(await request.body())
    except orjson.JSONDecodeError as error:
        raise HttpError(400, "not_json", f"the body is not JSON ({error}). Send one object, or a list.") from error


Body = Annotated[Any, Depends(_json)]
EntryId = Annotated[Id, Path(alias="id")]


def _add_one(routes: APIRouter, store: CatalogueStore, kind: Kind) -> None:
    whole = _RESPONSES[kind]
    path = f"/api/{kind}s/{{id:path}}"  # an id may hold a slash

    @routes.get(path, response_model=whole, name=f"get_{kind}")
    async def get(id_: EntryId) -> Response:
        """What was put, or a 404."""
        return _shown(kind, await _run(kind, lambda: catalogue.get(store, kind, id_)))

    @routes.put(path, response_model=whole, openapi_extra=entry_body(kind), name=f"put_{kind}")
    async def put(id_: EntryId, body: Body) -> Response:
        """Replace it whole, or make it. The same body again changes nothing."""
        return _shown(kind, await _run(kind, lambda: _put(store, kind, id_, body)))

    @routes.patch(path, response_model=whole, openapi_extra=patch_body(kind), name=f"patch_{kind}")
    async def patch(id_: EntryId, body: Body) -> Response:
        """Merge a patch into it (RFC 7396): null removes a field. The same patch again changes nothing."""
        return _shown(kind, await _run(kind, lambda: catalogue.patch(store, kind, id_, body)))

    if kind is Kind.ITEM:  # a user is erased: `serve_apps/http/privacy_routes.py`

        @routes.delete(path, response_model=DeletedItem, name="delete_item")
        async def delete(id_: EntryId) -> dict[str, Any]:
            """Take it out, known here or not: a model may know an item that was never put. Again is no error."""
            await _run(kind, lambda: catalogue.delete(store, kind, [id_]))
            return {kind.key: id_}


def _add_many(routes: APIRouter, store: CatalogueStore, kind: Kind) -> None:
    @routes.post(f"/api/{kind}s", response_model=EntriesResponse, openapi_extra=entries_body(kind), name=f"put_{kind}s")
    async def put_many(body: Body) -> EntriesResponse:
        """Put one, or up to 1,000 as a list or under their name; a verdict for each. The good ones are kept."""
        parsed = [_parse(kind, raw) for raw in _entries(kind, body)]
        if len(parsed) == 1 and isinstance(parsed[0], str):
            raise HttpError(422, f"invalid_{kind}", parsed[0])
        good = [entry for entry in parsed if not isinstance(entry, str)]
        outcomes = iter(await _run(kind, lambda: catalogue.put(store, kind, good)))
        verdicts = []
        for index, entry in enumerate(parsed):
            if isinstance(entry, str):
                verdicts.append(EntryVerdict(index=index, status="rejected", reason=entry))
                continue
            verdicts.append(EntryVerdict(index=index, status=next(outcomes).status, id=entry[0]))
        counts = Counter(verdict.status for verdict in verdicts)
        return EntriesResponse(
            created=counts["created"],
            updated=counts["updated"],
            unchanged=counts["unchanged"],
            rejected=counts["rejected"],
            results=verdicts,
        )


def _put(store: CatalogueStore, kind: Kind, id_: str, body: Any) -> Kept:
    if isinstance(body, dict) and kind.key in body:
        if body[kind.key] != id_:
            raise InputError(f"{kind.key} is {body[kind.key]!r} in the body and {id_!r} in the path. Send one of them.")
        body = {name: value for name, value in body.items() if name != kind.key}
    entry = parse_entry(kind, body)
    [outcome] = catalogue.put(store, kind, [(id_, entry)])
    return Kept(id_, entry, outcome.version)


def _parse(kind: Kind, raw: Any) -> tuple[str, Entry] | str:
    """Id and entry, or what is wrong with them."""
    try:
        return parse_named(kind, raw)
    except InputError as error:
        return str(error)


def _entries(kind: Kind, body: Any) -> list[Any]:
    if isinstance(body, dict):
        body = body[f"{kind}s"] if set(body) == {f"{kind}s"} else [body]
    if not isinstance(body, list):
        raise HttpError(422, "not_an_object", f"the body is a {type(body).__name__}. Send a JSON object, or a list.")
    if not 1 <= len(body) <= MAX_BATCH:
        raise HttpError(422, "batch_size", f"a batch holds 1 to {MAX_BATCH} {kind}s; got {len(body)}. Split it.")
    return body


def _shown(kind: Kind, kept: Kept) -> Response:
    return Response(orjson.dumps(shown(kind, kept)), media_type="application/json")


async def _run(kind: Kind, work: Callable[[], _T]) -> _T:
    """The work, off the loop."""
    with _http_errors(kind):
        return await asyncio.to_thread(work)


@contextmanager
def _http_errors(kind: Kind) -> Iterator[None]:
    try:
        yield
    except NotFoundError as error:
        raise HttpError(404, f"unknown_{kind}", str(error)) from error
    except InputError as error:
        raise HttpError(422, f"invalid_{kind}", str(error)) from error
    except StoreError as error:
        message = "the store did not answer, and a write may not have been kept. Send it again: twice is as once."
        raise HttpError(503, "store_unavailable", message) from error
