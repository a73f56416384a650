"""The two write routes: events in, a verdict for each. The append to the store is the acknowledgement."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from pydantic import ValidationError

from cluster.online.store import SEEN_WINDOW_S, OnlineStore
from models.errors import InputError
from models.events import EventType, Interaction
from models.quarantine import Rejected
from serve_apps.http.api import MAX_BATCH, FeedbackBody, InteractionBody, InteractionsResponse, Verdict, WriteParams
from serve_apps.http.door import too_many
from serve_apps.http.errors import ERRORS, HttpError, first_problem
from serve_apps.http.event_times import EventTimes
from serve_apps.http.rejections import rejected
from serve_apps.http.strict_json import RepeatedKey, parse_json

_DUPLICATE = (
    f"this interaction_id was taken before and counts once; an id is remembered for {SEEN_WINDOW_S // 86_400} days."
)


def write_routes(store: OnlineStore, times: EventTimes) -> APIRouter:
    """`POST /api/interactions` and `POST /api/feedback` over a store."""
    routes, desk = APIRouter(responses=ERRORS), _Desk(store, times)

    @routes.post("/api/interactions", response_model=InteractionsResponse, openapi_extra=_body(InteractionBody))
    async def interactions(
        events: Annotated[list[Any], Depends(_events)], params: Annotated[WriteParams, Query()]
    ) -> InteractionsResponse:
        """One event, or up to 1,000 as a list or under `interactions`. Accepted events are in the next answer."""
        return await desk.take(events, InteractionBody, "/api/interactions", params.validate_only)

    @routes.post("/api/feedback", response_model=InteractionsResponse, openapi_extra=_body(FeedbackBody))
    async def feedback(
        events: Annotated[list[Any], Depends(_events)], params: Annotated[WriteParams, Query()]
    ) -> InteractionsResponse:
        """What a user did with a recommendation: events that carry its `recommendation_id`."""
        return await desk.take(events, FeedbackBody, "/api/feedback", params.validate_only)

    return routes


async def _events(request: Request) -> list[Any]:
    """The events of a body, unchecked; as many as the caller may send now."""
    body = parse_json(await request.body())
    if isinstance(body, dict | RepeatedKey):
        body = body["interactions"] if isinstance(body, dict) and set(body) == {"interactions"} else [body]
    if not isinstance(body, list):
        raise HttpError(
            422, "not_an_object", f"the body is a {type(body).__name__}. Send a JSON object, or a list of objects."
        )
    if not 1 <= len(body) <= MAX_BATCH:
        raise HttpError(422, "batch_size", f"a batch holds 1 to {MAX_BATCH} events; got {len(body)}. Split it.")
    caller = request.state.caller
    wait_s = caller.limits.take_events(len(body), time.monotonic())
    if wait_s:
        raise too_many(f"key {caller.name!r} may not send {len(body)} events now, and none was taken", wait_s)
    return body


@dataclass(frozen=True, slots=True)
class _Desk:
    """Where events are looked at, one by one, and taken."""

    store: OnlineStore
    times: EventTimes

    async def take(
        self, events: Sequence[Any], model: type[InteractionBody], path: str, validate_only: bool
    ) -> InteractionsResponse:
        """Take the good ones; the bad ones go to quarantine with the reason.

        A single bad event is an error; one of many is rejected beside the others.
        """
        now = datetime.now(UTC)
        parsed = [self._parse(event, model, now) for event in events]
        good = [event for event in parsed if isinstance(event, Interaction)]
        bad = [
            rejected(sent, reason, path, now)
            for sent, reason in zip(events, parsed, strict=True)
            if isinstance(reason, str)
        ]
        taken = iter(_first_of_id(good) if validate_only else await asyncio.to_thread(self._keep, good, bad))
        if len(parsed) == 1 and isinstance(parsed[0], str):
            raise HttpError(422, "invalid_event", parsed[0])
        verdicts = [
            Verdict(index=index, status="rejected", reason=event)
            if isinstance(event, str)
            else _verdict(index, event.interaction_id, next(taken), validate_only)
            for index, event in enumerate(parsed)
        ]
        counts = Counter(verdict.status for verdict in verdicts)
        return InteractionsResponse(
            accepted=counts["accepted"],
            duplicates=counts["duplicate"],
            rejected=counts["rejected"],
            valid=counts["valid"],
            results=verdicts,
        )

    def _keep(self, good: Sequence[Interaction], bad: Sequence[Rejected]) -> list[bool]:
        taken = self.store.append(good)
        self.store.append_rejected(bad)
        return taken

    def _parse(self, event: Any, model: type[InteractionBody], now: datetime) -> Interaction | str:
        """The event, or what is wrong with it."""
        if isinstance(event, RepeatedKey):
            return f"the key {event.key[:60]!r} stands more than once in one object. Send each once."
        if not isinstance(event, dict):
            return f"an event is a JSON object; got {type(event).__name__}."
        try:
            interaction = model.model_validate(event).to_interaction()
            self.times.check(interaction.timestamp, now)
        except ValidationError as error:
            return first_problem(error.errors(), list(model.model_fields))
        except InputError as error:
            return str(error)
        return interaction


def _verdict(index: int, interaction_id: str, is_new: bool, validate_only: bool) -> Verdict:
    if not is_new:
        return Verdict(index=index, status="duplicate", interaction_id=interaction_id, reason=_DUPLICATE)
    return Verdict(index=index, status="valid" if validate_only else "accepted", interaction_id=interaction_id)


def _first_of_id(events: Sequence[Interaction]) -> list[bool]:
    """False for an id that an event before it has: what an empty store would say."""
    first: dict[str, int] = {}
    return [first.setdefault(event.interaction_id, number) == number for number, event in enumerate(events)]


def _body(model: type[InteractionBody]) -> dict[str, Any]:
    """The request body for the OpenAPI document; it is parsed event by event, so FastAPI cannot infer it."""
    one = model.model_json_schema()
    del one["$defs"]  # the document keeps no definitions inside a schema, and the one there is becomes this:
    one["properties"]["event_type"] = {"enum": [event_type.value for event_type in EventType]}
    many = {"type": "array", "items": one, "minItems": 1, "maxItems": MAX_BATCH}
    named = {"type": "object", "properties": {"interactions": many}, "required": ["interactions"]}
    forms = {"anyOf": [one, many, {**named, "additionalProperties": False}]}
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": forms}}}}
