"""The HTTP routes: rows from the rest of the graph, events into the store, health."""

from __future__ import annotations

import asyncio
import logging
from typing import Annotated, Protocol

from fastapi import APIRouter, Depends, FastAPI, Query
from fastapi.responses import Response

from cluster.online.store import OnlineStore
from models.errors import InputError, StoreError
from models.selection import Cursor
from serve_apps.chain.admission import BusyError
from serve_apps.chain.cursors import Cursors
from serve_apps.chain.front import ChainError
from serve_apps.chain.messages import Query as Question
from serve_apps.http.api import (
    HealthResponse,
    HomeParams,
    RankBody,
    RecommendationResponse,
    SearchParams,
    SimilarParams,
)
from serve_apps.http.bodies import WholeBody
from serve_apps.http.catalogue_routes import catalogue_routes
from serve_apps.http.control_body import HomeBody, home_body
from serve_apps.http.document import document_keys
from serve_apps.http.door import Door
from serve_apps.http.door_options import DoorOptions
from serve_apps.http.errors import ERRORS, HttpError, install_error_handlers
from serve_apps.http.model_bodies import body_of, described
from serve_apps.http.privacy_routes import privacy_routes
from serve_apps.http.shedding import Shedding, busy
from serve_apps.http.writes import write_routes

_log = logging.getLogger(__name__)
_HEALTH_TIMEOUT_S = 5.0


class Chain(Protocol):
    """The rest of the graph, as the routes see it; `chain/front.py`."""

    @property
    def full(self) -> bool: ...

    async def recommend(self, query: Question) -> bytes: ...

    async def champion(self) -> str: ...


def create_api(chain: Chain, store: OnlineStore, door: DoorOptions, cursors: Cursors | None = None) -> FastAPI:
    """The FastAPI application over a chain and a store; `ConfigError` when it cannot read its keys.

    `cursors`: those of the router; None: it gives none.
    """
    app = FastAPI(title="Shoal", version="1", description="Recommendations from events.", docs_url=None, redoc_url=None)
    app.add_middleware(WholeBody)
    app.add_middleware(Shedding, chain=chain)  # before a body is read: that is most of what a refusal would cost
    app.add_middleware(Door, keys=door.open_keys())  # the last that is added is the first that is met
    install_error_handlers(app)
    app.include_router(_read_routes(chain, cursors))
    app.include_router(write_routes(store, door.event_times))
    app.include_router(
        privacy_routes(store)
    )  # before the catalogue: `{id:path}` of a user would take `/data` for its own
    app.include_router(catalogue_routes(store.catalogue))
    app.include_router(_health_routes(chain, store))
    document_keys(app)
    return app


def _read_routes(chain: Chain, cursors: Cursors | None) -> APIRouter:
    routes = APIRouter(prefix="/api/recommendations", responses=ERRORS)

    @routes.get("/home", response_model=RecommendationResponse)
    async def home(params: Annotated[HomeParams, Query()]) -> Response:
        """A personal row for a user; popular items, named in `fallback`, for a stranger. `cursor`: its next page."""
        return await _row(chain, params.to_query(_cursor(cursors, params)))

    @routes.post("/home", response_model=RecommendationResponse, openapi_extra=home_body())
    async def controlled_home(body: Annotated[HomeBody, Depends(body_of(HomeBody))]) -> Response:
        """The same, with items pinned to positions, promoted, boosted or buried."""
        return await _row(chain, body.to_query(_cursor(cursors, body)))

    @routes.get("/similar", response_model=RecommendationResponse)
    async def similar(params: Annotated[SimilarParams, Query()]) -> Response:
        """Items like one item; popular items, named in `fallback`, for an unknown one."""
        return await _row(chain, params.to_query())

    @routes.get("/search", response_model=RecommendationResponse)
    async def search(params: Annotated[SearchParams, Query()]) -> Response:
        """Items whose words answer `q`, ordered for the user; empty when there are none."""
        return await _row(chain, params.to_query())

    @routes.post("/rank", response_model=RecommendationResponse, openapi_extra=described(RankBody))
    async def rank(body: Annotated[RankBody, Depends(body_of(RankBody))]) -> Response:
        """The given items in the order that suits the user; what no model knows comes last."""
        return await _row(chain, body.to_query())

    return routes


def _cursor(cursors: Cursors | None, params: HomeParams) -> Cursor | None:
    if params.cursor is None:
        return None
    try:
        if cursors is None:
            raise InputError("this server gives no cursors. Ask without one.")
        return cursors.read(params.cursor, params.known_as)
    except InputError as error:
        raise HttpError(422, "invalid_cursor", f"cursor: {error}") from error


async def _row(chain: Chain, query: Question) -> Response:
    try:
        return Response(await chain.recommend(query), media_type="application/json")
    except BusyError as error:
        raise busy(str(error)) from error
    except ChainError as error:
        raise HttpError(503, "late", str(error)) from error


def _health_routes(chain: Chain, store: OnlineStore) -> APIRouter:
    routes = APIRouter(prefix="/api/health", responses=ERRORS)

    @routes.get("", response_model=HealthResponse)
    async def health() -> HealthResponse:
        """Whether the graph and the store answer."""
        return await _health(chain, store)

    @routes.get("/live")
    async def live() -> dict[str, str]:
        """The process answers."""
        return {"status": "ok"}

    @routes.get("/ready")
    async def ready() -> dict[str, str]:
        """Recommendations can be answered."""
        if await _champion(chain) is None:
            raise HttpError(503, "not_ready", "the model is not loaded yet. Try again in a moment.")
        return {"status": "ok"}

    return routes


async def _health(chain: Chain, store: OnlineStore) -> HealthResponse:
    version, reachable = await asyncio.gather(_champion(chain), _reachable(store))
    return HealthResponse(
        status="ok" if reachable and version is not None else "degraded",
        model_version=version,
        store="ok" if reachable else "unavailable",
    )


async def _champion(chain: Chain) -> str | None:
    try:
        return await asyncio.wait_for(chain.champion(), _HEALTH_TIMEOUT_S)
    except Exception:  # whatever is wrong behind the gateway, health says so instead of failing
        _log.exception("the router does not answer")
        return None


async def _reachable(store: OnlineStore) -> bool:
    try:
        await asyncio.wait_for(asyncio.to_thread(store.ping), _HEALTH_TIMEOUT_S)
    except (StoreError, TimeoutError) as error:
        _log.error("the store does not answer: %s", error)
        return False
    return True
