"""The two write routes: events in, a verdict for each. The append to the store is the acknowledgement."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Depends, Request
from pydantic import ValidationError

from cluster.online_store import OnlineStore
from models.errors import InputError
from models.events import EventType, Interaction
from serve_apps.api import MAX_BATCH, FeedbackBody, InteractionBody, InteractionsResponse, Verdict
from serve_apps.http_errors import ERRORS, HttpError, first_problem


def write_routes(store: OnlineStore) -> APIRouter:
    """`POST /api/interactions` and `POST /api/feedback` over a store."""
    routes = APIRouter(responses=ERRORS)

    @routes.post("/api/interactions", response_model=InteractionsResponse, openapi_extra=_body(InteractionBody))
    async def interactions(body: Annotated[Any, Depends(_json)]) -> InteractionsResponse:
        """One event, or up to 1,000 as a list or under `interactions`. Accepted events are in the next answer."""
        return await _take(store, _events(body), InteractionBody)

    @routes.post("/api/feedback", response_model=InteractionsResponse, openapi_extra=_body(FeedbackBody))
    async def feedback(body: Annotated[Any, Depends(_json)]) -> InteractionsResponse:
        """What a user did with a recommendation: events that carry its `recommendation_id`."""
        return await _take(store, _events(body), FeedbackBody)

    return routes


async def _json(request: Request) -> Any:
    try:
        return orjson.loads(await request.body())
    except orjson.JSONDecodeError as error:
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
    taken = iter(await asyncio.to_thread(store.append, good))
    verdicts = [
        Verdict(index=index, status="rejected", reason=event)
        if isinstance(event, str)
        else Verdict(
            index=index, status="accepted" if next(taken) else "duplicate", interaction_id=event.interaction_id
        )
        for index, event in enumerate(parsed)
    ]
    counts = Counter(verdict.status for verdict in verdicts)
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


def _body(model: type[InteractionBody]) -> dict[str, Any]:
    """The request body for the OpenAPI document; it is parsed event by event, so FastAPI cannot infer it."""
    one = model.model_json_schema()
    del one["$defs"]  # the document keeps no definitions inside a schema, and the one there is becomes this:
    one["properties"]["event_type"] = {"enum": [event_type.value for event_type in EventType]}
    many = {"type": "array", "items": one, "minItems": 1, "maxItems": MAX_BATCH}
    named = {"type": "object", "properties": {"interactions": many}, "required": ["interactions"]}
    forms = {"anyOf": [one, many, {**named, "additionalProperties": False}]}
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": forms}}}}
