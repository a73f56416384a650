"""What crosses the first hop of the graph: questions as plain data. Answers come back as JSON bytes."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import ClassVar

from models.selection import Control, Cursor
from serve_apps.chain.deadline import DEFAULT_TIMEOUT_MS, Deadline

MAX_LIMIT = 200
"""Items of a row, at most."""
MAX_ROWS = 20
"""Rows of a page, at most."""
_BY_DEFAULT = partial(Deadline.after, DEFAULT_TIMEOUT_MS)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Question:
    """`country`, when given, stands for the one the store knows. `filter`: of `models/filters`; nothing that does not
    pass it is in the row, on any rung. `max_age_rating`: the same of what is rated above it, or not at all.
    `deadline`: `timeout_ms` after it was asked.
    """

    country: str | None = None
    filter: str | None = None
    max_age_rating: int | None = None
    timeout_ms: int = DEFAULT_TIMEOUT_MS
    deadline: Deadline = field(default_factory=_BY_DEFAULT)


@dataclass(frozen=True, slots=True)
class HomeQuery(_Question):
    """A row for a user or, with `rows`, a page of at most so many, each of at most `limit` items. `control`: what this
    request pins, promotes, boosts and buries in the row. `cursor`: the row goes on where another ended.
    """

    surface: ClassVar[str] = "home"
    user_id: str
    limit: int
    control: Control | None = None
    cursor: Cursor | None = None
    rows: int | None = None


@dataclass(frozen=True, slots=True)
class SimilarQuery(_Question):
    """Items like one item; `user_id`, when given, keeps what they hid out of it."""

    surface: ClassVar[str] = "similar"
    item_id: str
    limit: int
    user_id: str | None = None


@dataclass(frozen=True, slots=True)
class SearchQuery(_Question):
    """Items whose words answer a text, ordered for the user, when one is given."""

    surface: ClassVar[str] = "search"
    text: str
    limit: int
    user_id: str | None = None


@dataclass(frozen=True, slots=True)
class RankQuery(_Question):
    """The caller's list, ordered for a user."""

    surface: ClassVar[str] = "rank"
    user_id: str
    item_ids: tuple[str, ...]
    limit: int = MAX_LIMIT


Query = HomeQuery | SimilarQuery | SearchQuery | RankQuery


def asks_for_page(query: Query) -> bool:
    """Whether the answer is a page of rows."""
    return isinstance(query, HomeQuery) and query.rows is not None
