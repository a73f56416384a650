"""What crosses the first hop of the graph: questions as plain data. Answers come back as JSON bytes."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class HomeQuery:
    """A row for a user. `country`, when given, stands for the one the store knows."""

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
