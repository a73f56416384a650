"""One question on its way through the stages."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from models.experiments import Variant
from models.user_state import UserState
from serve_apps.chain.messages import Query
from serve_apps.chain.rungs import Cause, Rung
from serve_apps.live.fits import Fits

_Query = TypeVar("_Query", bound=Query)


@dataclass(slots=True)
class Task(Generic[_Query]):
    """`at`: its place in the batch. `rung` and `cause` stay None as long as the full chain answers."""

    at: int
    query: _Query
    user: UserState
    variant: Variant
    refused: bool = False
    """The user refused personalization."""
    fits: Fits | None = None
    """What passes the question's filter, if it has one."""
    rung: Rung | None = None
    cause: Cause | None = None


AnyTask = Task[Any]
"""A task of whatever surface."""
