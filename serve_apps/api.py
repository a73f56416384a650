"""The HTTP contract: bodies in and out. The OpenAPI document is made from these."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from models.events import EventType, Interaction, derive_interaction_id

MAX_LIMIT = 200
MAX_BATCH = 1_000
Id = Annotated[str, Field(min_length=1, max_length=128, description="Any UTF-8 text of 1 to 128 bytes.")]


class RecommendedItem(BaseModel):
    """One item of a row."""

    item_id: str
    score: float
    rank: int = Field(description="Place in the row, from 1.")
    reason: str = Field(description="Why it is here; names what caused it.")
    source: Literal["model", "similar", "popularity"]
    metadata: dict[str, Any] | None = None


class RecommendationResponse(BaseModel):
    """A row of recommendations. Send `recommendation_id` back with what the user did."""

    recommendation_id: str
    items: list[RecommendedItem]
    variant: str
    model_version: str | None
    fallback: str | None = Field(description="Which rung answered instead of the full chain; null when none had to.")
    freshness_ms: int = Field(description="Age of the newest event of the user that this answer has seen; -1 for none.")


class InteractionBody(BaseModel):
    """One event. Without an `interaction_id` the server derives one from the content; without a time it takes now."""

    model_config = ConfigDict(extra="forbid")

    user_id: Id
    item_id: Id
    event_type: EventType
    timestamp: datetime | None = None
    interaction_id: Id | None = None
    rating: float | None = None
    session_id: Id | None = None
    recommendation_id: Id | None = None
    position: int | None = Field(None, ge=0)
    country: Id | None = None
    device: Id | None = None

    def to_interaction(self) -> Interaction:
        """The event; `InputError` when a value does not fit."""
        moment = self.timestamp or datetime.now(UTC)
        fields = self.model_dump(exclude={"timestamp", "interaction_id"})
        derived = derive_interaction_id(self.user_id, self.item_id, self.event_type, moment.isoformat(), self.rating)
        return Interaction(**fields, timestamp=moment, interaction_id=self.interaction_id or derived)


class Verdict(BaseModel):
    """What became of one event of a batch."""

    index: int
    status: Literal["accepted", "duplicate", "rejected"]
    interaction_id: str | None = None
    reason: str | None = None


class InteractionsResponse(BaseModel):
    """Accepted events are durable and in the next answer."""

    accepted: int
    duplicates: int
    rejected: int
    results: list[Verdict]


class FeedbackBody(InteractionBody):
    """An event about a recommendation: `recommendation_id` is needed."""

    recommendation_id: Id


class HealthResponse(BaseModel):
    """State of the server and of what it stands on."""

    status: Literal["ok", "degraded"]
    model_version: str | None
    store: Literal["ok", "unavailable"]


class ErrorBody(BaseModel):
    """What was wrong, what was seen, what to do."""

    code: str
    message: str
    details: list[dict[str, Any]] = []


class ErrorResponse(BaseModel):
    """The one shape of every error."""

    error: ErrorBody
