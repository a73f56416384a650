"""Answers: rows of items whose reasons name what caused them, and their JSON."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import orjson

from models.candidates import Candidates
from models.events import EventType
from models.recommender import Recommender
from models.selection import Listing, Mark
from models.user_state import UserState
from models.vocabulary import Rows
from serve_apps.chain.task import AnyTask
from serve_apps.live.fits import Fits
from serve_apps.live.item_view import ItemView

Item = dict[str, Any]
DONE = {
    EventType.VIEW: "viewed",
    EventType.CLICK: "clicked",
    EventType.PURCHASE: "bought",
    EventType.RATING: "rated",
    EventType.LIKE: "liked",
}
Reasons = Callable[[Rows], list[str]]
"""Why each of some items of a source is there."""
_PLACED = {Mark.PINNED: "Pinned", Mark.PROMOTED: "Promoted", Mark.EXPLORED: "Something different"}
"""The true reason of what relevance has not put where it stands."""


@dataclass(frozen=True, slots=True)
class Found:
    """An item of a row, whether the bundle knows it or not."""

    item_id: str
    score: float
    reason: str
    source: str


@dataclass(frozen=True, slots=True)
class Answer:
    """The body of a recommendation answer (`api.RecommendationResponse`) and, of no concern to who asked, with what
    probability a random user gets its variant, each of its items stands where it does, and how many stand above them.
    """

    recommendation_id: str
    items: list[Item]
    variant: str
    model_version: str
    fallback: str | None
    fallback_cause: str | None
    freshness_ms: int | None
    next_cursor: str | None = None
    propensity: float = 1.0
    propensities: tuple[float, ...] | None = None
    num_above: int = 0

    @property
    def shown(self) -> list[Item]:
        """All items of the answer, in order."""
        return self.items

    def to_json(self) -> bytes:
        """Made once, here: bytes cross the hop and the gateway untouched."""
        return orjson.dumps({name: getattr(self, name) for name in SHOWN})


SHOWN = (
    *("recommendation_id", "items", "variant", "model_version"),
    *("fallback", "fallback_cause", "freshness_ms", "next_cursor"),
)
"""What of an answer its caller sees."""


def make_answer(
    items: list[Item],
    task: AnyTask,
    version: str,
    next_cursor: str | None = None,
    propensities: Sequence[float] | None = None,
    num_above: int = 0,
) -> Answer:
    """An answer under the id of its task and on its rung; its freshness is the age of the user's newest event."""
    user = task.user
    newest = max((event.timestamp_us for event in user.history), default=None)
    freshness_ms = None if newest is None else max(0, (user.now_us - newest) // 1_000)
    return Answer(
        task.recommendation_id,
        items,
        task.variant.name,
        version,
        task.rung,
        task.cause,
        freshness_ms,
        next_cursor,
        task.propensity,
        None if propensities is None else tuple(propensities),
        num_above,
    )


def recommended_items(recommender: Recommender, view: ItemView, user: UserState, candidates: Candidates) -> list[Item]:
    """A personal row."""
    reasons = personal_reasons(recommender, view, user, candidates.item_rows)
    return _items(view, candidates, reasons, "model")


def with_reasons(listing: Listing, reasons: Mapping[str, Reasons]) -> Listing:
    """The list with the reasons of these sources written down; those of all others come from the user's history."""
    written: list[str | None] = [None] * len(listing)
    for source, reasons_of in reasons.items():
        places = [place for place, name in enumerate(listing.sources) if name == source]
        for place, reason in zip(places, reasons_of(listing.item_rows[places]), strict=True):
            written[place] = reason
    return replace(listing, reasons=tuple(written)) if any(written) else listing


def listed_items(
    recommender: Recommender, view: ItemView, user: UserState, listing: Listing, num_above: int = 0
) -> list[Item]:
    """A page of a list, ranks from behind the items above it."""
    placed = [_PLACED.get(mark) for mark in listing.marks]
    known = [own or other for own, other in zip(placed, listing.reasons or [None] * len(listing), strict=True)]
    places = [place for place, reason in enumerate(known) if reason is None]
    for place, reason in zip(places, personal_reasons(recommender, view, user, listing.item_rows[places]), strict=True):
        known[place] = reason
    rows, scores = listing.item_rows.tolist(), listing.scores.tolist()
    shown = zip(rows, scores, listing.sources, listing.marks, known, strict=True)
    return [
        {
            "item_id": view.id_of(row),
            "score": score,
            "rank": rank,
            "reason": reason,
            "source": source,
            **({} if mark is Mark.RANKED else {"mark": mark}),
            "metadata": {"title": view.title(row), "categories": view.categories(row)},
        }
        for rank, (row, score, source, mark, reason) in enumerate(shown, start=num_above + 1)
    ]


def personal_reasons(recommender: Recommender, view: ItemView, user: UserState, rows: Rows) -> list[str]:
    """For each item row, the item of the user's history that lies nearest to it."""
    otherwise = "Based on your earlier activity" if recommender.knows(user) else "Chosen for you"
    done = {event.item_id: DONE[event.event_type] for event in user.history if event.event_type in DONE}
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
