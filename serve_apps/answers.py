"""Items of an answer: ids, scores and reasons that name what caused them."""

from __future__ import annotations

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from typing import Any

from models.recommender import Candidates, Recommender
from models.user_state import UserState
from serve_apps.messages import SimilarQuery

Item = dict[str, Any]


def recommended_items(recommender: Recommender, user: UserState, candidates: Candidates) -> list[Item]:
    """A personal row: each reason is the item of the user's history that lies nearest to the recommended one."""
    causes = recommender.causes(user, candidates.item_rows)
    reasons = [f"Because you chose {_title(recommender, cause)}" if cause else "Chosen for you" for cause in causes]
    return _items(recommender, candidates, reasons, "model")


def popular_items(recommender: Recommender, user: UserState, limit: int, exclude: AbstractSet[str]) -> list[Item]:
    """Popular in the user's country when that has a list of its own, else everywhere."""
    candidates = recommender.popular(user.country, limit, exclude)
    where = f"Popular in {user.country}" if recommender.popularity.knows(user.country) else "Popular"
    return _items(recommender, candidates, [where] * len(candidates), "popularity")


def similar_items(
    recommender: Recommender, query: SimilarQuery, candidates: Candidates, hidden: AbstractSet[str]
) -> list[Item]:
    """Neighbours of an item, without what the user hid; empty when there are none."""
    barred = set(recommender.rows(hidden).tolist())
    keep = [at for at, row in enumerate(candidates.item_rows.tolist()) if row not in barred][: query.limit]
    kept = Candidates(candidates.item_rows[keep], candidates.scores[keep])
    return _items(recommender, kept, [f"Similar to {_title(recommender, query.item_id)}"] * len(kept), "similar")


def _items(recommender: Recommender, candidates: Candidates, reasons: Sequence[str], source: str) -> list[Item]:
    table = recommender.items
    return [
        {
            "item_id": table.ids[row],
            "score": float(score),
            "rank": rank,
            "reason": reason,
            "source": source,
            "metadata": {"title": table.titles[row], "categories": table.categories[row]},
        }
        for rank, (row, score, reason) in enumerate(
            zip(candidates.item_rows.tolist(), candidates.scores.tolist(), reasons, strict=True), start=1
        )
    ]


def _title(recommender: Recommender, item_id: str) -> str:
    row = recommender.items.vocabulary.row(item_id)
    return item_id if row is None else recommender.items.titles[row] or item_id
