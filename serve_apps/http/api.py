"""The HTTP contract: bodies in and out. The OpenAPI document is made from these."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, WithJsonSchema, field_validator, model_validator

from models.errors import FilterError
from models.events import (
    MAX_ID_BYTES,
    MAX_POSITION,
    RATING_RANGE,
    EventType,
    Interaction,
    check_id,
    derive_interaction_id,
    session_user,
)
from models.experiments import SourceName
from models.filters.bounds import MAX_CHARS
from models.filters.parser import parse
from models.selection import Cursor
from models.selection.cursor import MAX_CHARS as MAX_CURSOR_CHARS
from serve_apps.chain.age_rating import MAX_AGE
from serve_apps.chain.deadline import DEFAULT_TIMEOUT_MS, MAX_TIMEOUT_MS, Deadline
from serve_apps.chain.messages import MAX_LIMIT, MAX_ROWS, HomeQuery, RankQuery, SearchQuery, SimilarQuery
from serve_apps.chain.rungs import Cause, Rung

MAX_BATCH = 1_000
MAX_QUESTION = 500
MAX_RANKED = 500


def _check_bytes(value: str) -> str:
    return check_id("it", value)


def _check_filter(text: str) -> str:
    try:
        parse(text)
    except FilterError as error:
        raise ValueError(str(error)) from error
    return text


Id = Annotated[
    str,
    Field(min_length=1, max_length=MAX_ID_BYTES, description="Any UTF-8 text of 1 to 128 bytes."),
    AfterValidator(_check_bytes),
]
FilterText = Annotated[
    str,
    AfterValidator(_check_filter),
    WithJsonSchema({"type": "string", "format": "filter", "minLength": 1, "maxLength": MAX_CHARS}),
]
Limit = Annotated[int, Field(ge=1, le=MAX_LIMIT, description="Items in the row.")]
SessionId = Annotated[
    Id | None, Field(description="Somebody without a user id: the session that their events carry instead of one.")
]
TimeoutMs = Annotated[
    int,
    Field(
        ge=10,
        le=MAX_TIMEOUT_MS,
        description="Milliseconds until the answer is due. What is late by then is left out, and `fallback` says so.",
    ),
]


class _Asked(BaseModel):
    """What every question may say."""

    model_config = ConfigDict(extra="forbid")

    country: Id | None = None
    filter: FilterText | None = Field(
        None, description='Only what passes is in the row: genres ANY ("Drama") AND year >= 2000 (docs/filters.md).'
    )
    max_age_rating: int | None = Field(
        None,
        ge=0,
        le=MAX_AGE,
        description="Leaves out what is rated for older people in `metadata.age_rating`, and what has no rating.",
    )
    timeout_ms: TimeoutMs = DEFAULT_TIMEOUT_MS

    def common(self) -> dict[str, Any]:
        """The same as the question has it."""
        due = Deadline.after(self.timeout_ms)
        return {
            "country": self.country,
            "filter": self.filter,
            "max_age_rating": self.max_age_rating,
            "timeout_ms": self.timeout_ms,
            "deadline": due,
        }


class HomeParams(_Asked):
    """The query of a home row."""

    user_id: Id | None = None
    session_id: SessionId = None
    limit: Limit = 20
    cursor: str | None = Field(
        None,
        min_length=1,
        max_length=MAX_CURSOR_CHARS,
        description="`next_cursor` of the page before, for the next page of the same list.",
    )
    rows: Annotated[
        int | None,
        Field(
            ge=1,
            le=MAX_ROWS,
            description="Ask for a page of titled rows, each of `limit` items at most; not heeded beside `cursor`.",
        ),
    ] = None

    @model_validator(mode="after")
    def _somebody(self) -> Self:
        if (self.user_id is None) == (self.session_id is None):
            raise ValueError("give either user_id or, for somebody without one, session_id")
        return self

    @property
    def known_as(self) -> str:
        """The id under which the user is known."""
        return self.user_id or session_user(self.session_id or "")

    def to_query(self, cursor: Cursor | None = None) -> HomeQuery:
        """The question as it crosses the graph. `cursor`: what the text of it says."""
        rows = self.rows if cursor is None else None
        return HomeQuery(self.known_as, self.limit, cursor=cursor, rows=rows, **self.common())


class SimilarParams(_Asked):
    """The query of a row of similar items. With `user_id` what that user hid stays out of it."""

    item_id: Id
    limit: Limit = 20
    user_id: Id | None = None

    def to_query(self) -> SimilarQuery:
        """The question as it crosses the graph."""
        return SimilarQuery(self.item_id, self.limit, self.user_id, **self.common())


class SearchParams(_Asked):
    """The query of a search. With `user_id` what was found is ordered for that user."""

    q: str = Field(min_length=1, max_length=MAX_QUESTION, description="Words of titles, categories or tags.")
    limit: Limit = 20
    user_id: Id | None = None

    def to_query(self) -> SearchQuery:
        """The question as it crosses the graph."""
        return SearchQuery(self.q, self.limit, self.user_id, **self.common())


class RankBody(_Asked):
    """A list of items to put in the order that suits a user."""

    user_id: Id
    item_ids: Annotated[list[Id], Field(min_length=1, max_length=MAX_RANKED, json_schema_extra={"uniqueItems": True})]
    limit: Annotated[int, Field(ge=1, le=MAX_RANKED, description="Items of the answer.")] = MAX_RANKED

    @field_validator("item_ids")
    @classmethod
    def _each_once(cls, item_ids: list[str]) -> list[str]:
        if len(set(item_ids)) < len(item_ids):
            raise ValueError("an item is in the list twice. Name each once.")
        return item_ids

    def to_query(self) -> RankQuery:
        """The question as it crosses the graph."""
        return RankQuery(self.user_id, tuple(self.item_ids), self.limit, **self.common())


class RecommendedItem(BaseModel):
    """One item of a row."""

    item_id: str
    score: float
    rank: int = Field(description="Place in the row, from 1.")
    reason: str = Field(description="Why it is here; names what caused it.")
    source: SourceName | Literal["similar", "search", "list", "control"] = Field(
        description="What found it; `control`: nothing did, it was pinned or promoted."
    )
    mark: Literal["explored", "pinned", "promoted"] | None = Field(
        None, description="Where something else than relevance put it at its place."
    )
    metadata: dict[str, Any] | None = None


class TitledRow(BaseModel):
    """A row of a page."""

    title: str
    source: SourceName
    items: list[RecommendedItem]


class RecommendationResponse(BaseModel):
    """A row of recommendations, or a page of rows. Send `recommendation_id` back with what the user did."""

    recommendation_id: str
    items: list[RecommendedItem] = Field(description="The row; empty where a page was asked for.")
    rows: list[TitledRow] | None = Field(
        None, description="With `rows` in the question, and then alone: no item stands twice on the page."
    )
    variant: str = Field(description="Arm of the experiment; `similar` for similar items, which are outside of it.")
    model_version: str
    fallback: Rung | None = Field(description="Which rung answered instead of the full chain; null when none had to.")
    fallback_cause: Cause | None = Field(description="Why it had to; null when none had to.")
    freshness_ms: int | None = Field(
        description="Age of the newest event of the user that this answer has seen; null without one."
    )
    next_cursor: str | None = Field(
        None, description="Of home: asks for the next page of this list, within half an hour; null on the last page."
    )


class WriteParams(BaseModel):
    """The query of the write routes."""

    model_config = ConfigDict(extra="forbid")

    validate_only: bool = Field(False, description="Give the verdicts and write nothing.")


class InteractionBody(BaseModel):
    """One event. Without an `interaction_id` the server derives one from the content; without a time it takes now."""

    model_config = ConfigDict(extra="forbid")

    user_id: Id | None = Field(None, description="Who; not needed where `session_id` says it.")
    item_id: Id
    event_type: EventType
    timestamp: datetime | None = Field(None, description="With its zone, and near now (docs/security.md).")
    interaction_id: Id | None = None
    rating: float | None = Field(
        None,
        strict=True,
        json_schema_extra={"minimum": RATING_RANGE[0], "maximum": RATING_RANGE[1]},
        description="Of 0 to 10.",
    )
    session_id: Id | None = None
    recommendation_id: Id | None = None
    position: int | None = Field(None, ge=0, le=MAX_POSITION, strict=True)
    country: Id | None = None
    device: Id | None = None

    @model_validator(mode="after")
    def _somebody(self) -> Self:
        if self.user_id is None and self.session_id is None:
            raise ValueError("give user_id or, for somebody without one, session_id")
        return self

    def to_interaction(self) -> Interaction:
        """The event; `InputError` when a value does not fit."""
        moment = self.timestamp or datetime.now(UTC)
        fields = self.model_dump(exclude={"timestamp", "interaction_id", "user_id"})
        user_id = self.user_id or session_user(self.session_id or "")
        derived = derive_interaction_id(user_id, self.item_id, self.event_type, moment.isoformat(), self.rating)
        return Interaction(**fields, user_id=user_id, timestamp=moment, interaction_id=self.interaction_id or derived)


class FeedbackBody(InteractionBody):
    """An event about a recommendation: `recommendation_id` is needed."""

    recommendation_id: Id


class Verdict(BaseModel):
    """What became of one event of a batch."""

    index: int
    status: Literal["accepted", "duplicate", "rejected", "valid"] = Field(
        description="`valid`: it would be taken, and was not, because of `validate_only`."
    )
    interaction_id: str | None = None
    reason: str | None = Field(None, description="Why it was rejected, or what makes it a duplicate and for how long.")


class InteractionsResponse(BaseModel):
    """Accepted events are durable and in the next answer."""

    accepted: int
    duplicates: int
    rejected: int
    valid: int = Field(0, description="Events that would be taken; with `validate_only` alone.")
    results: list[Verdict]


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
