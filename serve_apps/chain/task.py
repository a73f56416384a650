"""One question on its way through the stages."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from models.experiments import Variant
from models.selection import NO_CONTROL, Control
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
    """What passes the question's filter and the user's limit of age, if there is one; made for the bundle that is to
    answer and for the champion.
    """
    propensity: float = 1.0
    """With which a random user gets the variant."""
    control: Control = NO_CONTROL
    """What is pinned, promoted, boosted and buried, by the variant and by the question."""
    passes: Mapping[str, Fits] = field(default_factory=dict)
    """What passes each filter of the control."""
    recommendation_id: str = field(default_factory=lambda: uuid.uuid4().hex)
    rung: Rung | None = None
    cause: Cause | None = None

    @property
    def all_fits(self) -> list[Fits]:
        """What passes its filters, of whatever kind."""
        return [*self.passes.values(), *([] if self.fits is None else [self.fits])]


AnyTask = Task[Any]
"""A task of whatever surface."""
