"""The HTTP door: checks the key and the body, writes events to the store, asks the router for rows."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import Annotated, Any, Protocol

from fastapi import Depends, FastAPI, Query, Request
from fastapi.responses import JSONResponse, Response
from pydantic import ValidationError

from cluster.online_store import OnlineStore
from models.errors import InputError, StoreError
from models.events import Interaction, check_id
from serve_apps.api import (
    MAX_BATCH,
    MAX_LIMIT,
    ErrorResponse,
    FeedbackBody,
    HealthResponse,
    InteractionBody,
    InteractionsResponse,
    RecommendationResponse,
    Verdict,
)
from serve_apps.door import Door
from serve_apps.http_errors import HttpError, first_problem, install_error_handlers
from serve_apps.messages import Answer, HomeQuery, SimilarQuery

_log = logging.getLogger(__name__)
_ERRORS: dict[int | str, dict[str, Any]] = {
    code: {"model": ErrorResponse} for code in (400, 401, 404, 405, 413, 422, 503)
}
Limit = Annotated[int, Query(ge=1, le=MAX_LIMIT, description="Items in the row.")]
IdQuery = Annotated[str, Query(min_length=1, max_length=128)]


class Chain(Protocol):
    """The rest of the graph, as the gateway sees it."""

    async def recommend(self, query: HomeQuery | SimilarQuery) -> Answer: ...

    async def champion(self) -> str: ...


def create_api(chain: Chain, store: OnlineStore, api_keys: Sequence[str]) -> FastAPI:
    """The FastAPI application over a chain and a store."""
    app = FastAPI(title="Shoal", version="1", description="Recommendations from events.", docs_url=None, redoc_url=None)
    app.add_middleware(Door, api_keys=tuple(api_keys))
    install_error_handlers(app)
    _add_reads(app, chain)
    _add_writes(app, store)
    _add_health(app, chain, store)
    return app


def _add_reads(app: FastAPI, chain: Chain) -> None:
    @app.get("/api/recommendations/home", response_model=RecommendationResponse, responses=_ERRORS)
    async def home(user_id: IdQuery, limit: Limit = 20, country: str | None = None) -> Response:
        """A personal row for a user; popular items, named in `fallback`, for a stranger."""
        return _row(await chain.recommend(HomeQuery(check_id("user_id", user_id), limit, country)))

    @app.get("/api/recommendations/similar", response_model=RecommendationResponse, responses=_ERRORS)
    async def similar(item_id: IdQuery, limit: Limit = 20, user_id: str | None = None) -> Response:
        """Items like one item."""
        return _row(await chain.recommend(SimilarQuery(check_id("item_id", item_id), limit, user_id)))


def _add_writes(app: FastAPI, store: OnlineStore) -> None:
    @app.post("/api/interactions", response_model=InteractionsResponse, responses=_ERRORS, openapi_extra=_body())
    async def interactions(body: Annotated[Any, Depends(_json)]) -> InteractionsResponse:
        """One event, or up to 1,000 as a list or under `interactions`. Accepted events are in the next answer."""
        return await _take(store, _events(body), InteractionBody)

    @app.post("/api/feedback", response_model=InteractionsResponse, responses=_ERRORS, openapi_extra=_body())
    async def feedback(body: Annotated[Any, Depends(_json)]) -> InteractionsResponse:
        """What a user did with a recommendation: events that carry its `recommendation_id`."""
        return await _take(store, _events(body), FeedbackBody)


def _add_health(app: FastAPI, chain: Chain, store: OnlineStore) -> None:
    @app.get("/api/health", response_model=HealthResponse)
    async def health() -> HealthResponse:
        """Whether the graph and the store answer."""
        return await _health(chain, store)

    @app.get("/api/health/live")
    async def live() -> dict[str, str]:
        """The process answers."""
        return {"status": "ok"}

    @app.get("/api/health/ready", responses=_ERRORS)
    async def ready() -> dict[str, str]:
        """Recommendations can be answered."""
        state = await _health(chain, store)
        if state.model_version is None:
            raise HttpError(503, "not_ready", "the model is not loaded yet. Try again in a moment.")
        return {"status": "ok"}


async def _health(chain: Chain, store: OnlineStore) -> HealthResponse:
    try:
        version: str | None = await asyncio.wait_for(chain.champion(), 5)
    except Exception:  # whatever is wrong behind the gateway, health says so instead of failing
        _log.exception("the router does not answer")
        version = None
    try:
        await asyncio.to_thread(store.ping)
        reachable = True
    except StoreError:
        reachable = False
    healthy = reachable and version is not None
    return HealthResponse(
        status="ok" if healthy else "degraded", model_version=version, store="ok" if reachable else "unavailable"
    )


def _row(answer: Answer) -> Response:
    """Serialised once, from plain data: validating our own answer again would cost more than making it."""
    return JSONResponse(
        {
            "recommendation_id": answer.recommendation_id,
            "items": answer.items,
            "variant": answer.variant,
            "model_version": answer.model_version,
            "fallback": answer.fallback,
            "freshness_ms": answer.freshness_ms,
        }
    )


async def _json(request: Request) -> Any:
    try:
        return await request.json()
    except (ValueError, UnicodeDecodeError) as error:
        raise HttpError(400, "not_json", f"the body is not JSON ({error}). Send one object, or a list.") from error


def _events(body: Any) -> list[Any]:
    if isinstance(body, dict):
        body = body["interactions"] if set(body) == {"interactions"} else [body]
    if not isinstance(body, list):
        raise HttpError(
            422, "not_an_object", f"the body is a {type(body).__name__}. Send a JSON object, or a list of objects."
        )
    if not 1 <= len(body) <= MAX_BATCH:
        raise HttpError(422, "batch_size", f"a batch holds 1 to {MAX_BATCH} events; got {len(body)}. Split it.")
    return body


async def _take(store: OnlineStore, events: list[Any], model: type[InteractionBody]) -> InteractionsResponse:
    """Take the good ones. A single bad event is an error; one of many is rejected beside the others."""
    parsed = [_parse(event, model) for event in events]
    if len(parsed) == 1 and isinstance(parsed[0], str):
        raise HttpError(422, "invalid_event", parsed[0])
    good = [event for event in parsed if isinstance(event, Interaction)]
    taken = iter(await asyncio.to_thread(store.append, good) if good else [])
    verdicts = [
        Verdict(index=index, status="rejected", reason=event)
        if isinstance(event, str)
        else Verdict(
            index=index, status="accepted" if next(taken) else "duplicate", interaction_id=event.interaction_id
        )
        for index, event in enumerate(parsed)
    ]
    counts = {status: sum(v.status == status for v in verdicts) for status in ("accepted", "duplicate", "rejected")}
    return InteractionsResponse(
        accepted=counts["accepted"], duplicates=counts["duplicate"], rejected=counts["rejected"], results=verdicts
    )


def _parse(event: Any, model: type[InteractionBody]) -> Interaction | str:
    """The event, or what is wrong with it."""
    if not isinstance(event, dict):
        return f"an event is a JSON object; got {type(event).__name__}."
    try:
        return model.model_validate(event).to_interaction()
    except ValidationError as error:
        return first_problem(error.errors())
    except InputError as error:
        return str(error)


def _body() -> dict[str, Any]:
    """The request body for the OpenAPI document; it is parsed event by event, so FastAPI cannot infer it."""
    one = InteractionBody.model_json_schema(ref_template="#/components/schemas/{model}")
    one.pop("$defs", None)
    one["properties"]["event_type"] = {"enum": ["view", "click", "purchase", "rating", "like", "dislike", "hide"]}
    many = {"type": "array", "items": one, "minItems": 1, "maxItems": MAX_BATCH}
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": {"anyOf": [one, many]}}}}}
