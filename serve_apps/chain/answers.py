"""Answers: rows of items whose reasons name what caused them, and their JSON."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson

from models.candidates import Candidates
from models.events import EventType
from models.recommender import Recommender
from models.user_state import UserState
from models.vocabulary import Rows
from serve_apps.chain.task import AnyTask
from serve_apps.live.fits import Fits
from serve_apps.live.item_view import ItemView

Item = dict[str, Any]
_DONE = {
    EventType.VIEW: "viewed",
    EventType.CLICK: "clicked",
    EventType.PURCHASE: "bought",
    EventType.RATING: "rated",
    EventType.LIKE: "liked",
}


@dataclass(frozen=True, slots=True)
class Found:
    """An item of a row, whether the bundle knows it or not."""

    item_id: str
    score: float
    reason: str
    source: str


@dataclass(frozen=True, slots=True)
class Answer:
    """The body of a recommendation answer (`api.RecommendationResponse`)."""

    recommendation_id: str
    items: list[Item]
    variant: str
    model_version: str
    fallback: str | None
    fallback_cause: str | None
    freshness_ms: int | None

    def to_json(self) -> bytes:
        """Made once, here: bytes cross the hop and the gateway untouched."""
        return orjson.dumps(self)


def make_answer(items: list[Item], task: AnyTask, version: str) -> Answer:
    """An answer under a new id, on the rung of its task; its freshness is the age of the user's newest event."""
    user = task.user
    newest = max((event.timestamp_us for event in user.history), default=None)
    freshness_ms = None if newest is None else max(0, (user.now_us - newest) // 1_000)
    return Answer(uuid.uuid4().hex, items, task.variant.name, version, task.rung, task.cause, freshness_ms)


def recommended_items(recommender: Recommender, view: ItemView, user: UserState, candidates: Candidates) -> list[Item]:
    """A personal row."""
    reasons = personal_reasons(recommender, view, user, candidates.item_rows)
    return _items(view, candidates, reasons, "model")


def personal_reasons(recommender: Recommender, view: ItemView, user: UserState, rows: Rows) -> list[str]:
    """For each item row, the item of the user's history that lies nearest to it."""
    otherwise = "Based on your earlier activity" if recommender.knows(user) else "Chosen for you"
    done = {event.item_id: _DONE[event.event_type] for event in user.history if event.event_type in _DONE}
    return [
        f"Because you {done[cause]} {view.title_of(cause) or cause}" if cause else otherwise
        for cause in recommender.causes(user, view.stand_ins(rows))
    ]


def popular_items(
    recommender: Recommender,
    view: ItemView,
    user: UserState,
    limit: int,
    exclude: AbstractSet[str],
    fits: Fits | None = None,
) -> list[Item]:
    """Popular in the country, then everywhere; each item says on which list it stands. Empty when nothing is left."""
    country, barred = user.country, recommender.rows(exclude)
    candidates = view.popular(user, limit + len(barred), fits)
    candidates = candidates.where(~np.isin(candidates.item_rows, barred)).head(limit)
    own = recommender.popularity.in_country(country, candidates.item_rows)
    reasons = [f"Popular in {country}" if local else "Popular" for local in own.tolist()]
    return _items(view, candidates, reasons, "popularity")


def trending_items(
    recommender: Recommender, view: ItemView, user: UserState, rows: Rows, local: AbstractSet[str]
) -> list[Item]:
    """Rows of trending items in order; `local`: ids of the country's own list. A score is a place from 1 down to 0."""
    ids = recommender.items.ids
    reasons = [f"Trending in {user.country}" if ids[row] in local else "Trending" for row in rows.tolist()]
    scores = np.linspace(1.0, 0.0, len(rows), endpoint=False, dtype=np.float32)
    return _items(view, Candidates(rows, scores), reasons, "trending")


def found_items(view: ItemView, found: Sequence[Found]) -> list[Item]:
    """Rows of items by id, in order."""
    return [
        {
            "item_id": one.item_id,
            "score": one.score,
            "rank": rank,
            "reason": one.reason,
            "source": one.source,
            "metadata": {"title": view.title_of(one.item_id), "categories": view.categories_of(one.item_id)},
        }
        for rank, one in enumerate(found, start=1)
    ]


def _items(view: ItemView, candidates: Candidates, reasons: Sequence[str], source: str) -> list[Item]:
    return [
        {
            "item_id": view.id_of(row),
            "score": score,
            "rank": rank,
            "reason": reason,
            "source": source,
            "metadata": {"title": view.title(row), "categories": view.categories(row)},
        }
        for rank, (row, score, reason) in enumerate(
            zip(candidates.item_rows.tolist(), candidates.scores.tolist(), reasons, strict=True), start=1
        )
    ]
