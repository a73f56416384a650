"""What crosses the hops of the graph: questions and answers as plain data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class HomeQuery:
    """A row for a user."""

    user_id: str
    limit: int
    country: str | None = None


@dataclass(frozen=True, slots=True)
class SimilarQuery:
    """Items like one item; `user_id`, when given, keeps what they hid out of it."""

    item_id: str
    limit: int
    user_id: str | None = None


Query = HomeQuery | SimilarQuery


@dataclass(frozen=True, slots=True)
class Answer:
    """The body of a recommendation answer (`api.RecommendationResponse`), not yet JSON."""

    recommendation_id: str
    items: list[dict[str, Any]]
    variant: str
    model_version: str | None
    fallback: str | None
    freshness_ms: int
