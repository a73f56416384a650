"""What crosses the first hop of the graph: questions as plain data. Answers come back as JSON bytes."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import ClassVar

from serve_apps.chain.deadline import DEFAULT_TIMEOUT_MS, Deadline

MAX_LIMIT = 200
"""Items of a row, at most."""
_BY_DEFAULT = partial(Deadline.after, DEFAULT_TIMEOUT_MS)


@dataclass(frozen=True, slots=True)
class HomeQuery:
    """A row for a user. `country`, when given, stands for the one the store knows."""

    surface: ClassVar[str] = "home"
    user_id: str
    limit: int
    country: str | None = None
    deadline: Deadline = field(default_factory=_BY_DEFAULT)
    in_a_hurry: bool = False
    """It has a time of its own, so it does not share a batch."""


@dataclass(frozen=True, slots=True)
class SimilarQuery:
    """Items like one item; `user_id`, when given, keeps what they hid out of it."""

    surface: ClassVar[str] = "similar"
    item_id: str
    limit: int
    user_id: str | None = None
    deadline: Deadline = field(default_factory=_BY_DEFAULT)
    in_a_hurry: bool = False
    """It has a time of its own, so it does not share a batch."""


Query = HomeQuery | SimilarQuery
