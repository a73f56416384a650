"""Source `followed`: popular items of the categories that the user follows or, without any, often chooses."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np

from models.category_lists import CategoryLists
from models.events import NEGATIVE_TYPES
from models.user_state import UserState
from serve_apps.chain.sources.offer import Offer, Shelf, alike
from serve_apps.chain.sources.once import OncePerBundle
from serve_apps.chain.sources.source import Batch
from serve_apps.live.item_view import ItemView

ATTRIBUTE = "followed_categories"
"""Attribute of a profile: names of categories between commas."""
_NUM_CATEGORIES = 3
_OFTEN = 2
"""Items of a category in the history from which on it is one that the user often chooses."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """A category. `how`: "follow", or "often choose" where the history says so."""

    category: str
    how: str


class Followed:
    """A shelf for each category. The lists are made once for a bundle, in a thread; meanwhile nobody is offered any."""

    name, ranked = "followed", True

    def __init__(self) -> None:
        self._lists = OncePerBundle(lambda recommender: recommender.items.category_lists())

    async def offers(self, batch: Batch) -> list[Offer]:
        """Items that belong to the categories as the catalogue has them now."""
        of_each = [categories_of(task.user, batch.view) for task in batch.tasks]
        if not any(of_each):
            return [Offer() for _ in batch.tasks]
        lists = await self._lists.get(batch.recommender)
        if lists is None:
            return [Offer() for _ in batch.tasks]
        return [self._offer(batch, at, some, lists) for at, some in enumerate(of_each)]

    def _offer(self, batch: Batch, at: int, some: list[Chosen], lists: CategoryLists) -> Offer:
        shelves = []
        for one in some:
            found = batch.allowed(at, lists.top(one.category))
            belongs = [one.category in batch.view.categories(row) for row in found.item_rows.tolist()]
            kept = found.where(np.asarray(belongs, np.bool_))
            if len(kept):
                title = f"Popular in {one.category}"
                shelves.append(Shelf(title, kept, alike(f"{title}, which you {one.how}")))
        return Offer(shelves)


def categories_of(user: UserState, view: ItemView) -> list[Chosen]:
    """Those that the profile lists, else the most frequent ones among the different items of the history."""
    listed = dict.fromkeys(name.strip() for name in user.attributes.get(ATTRIBUTE, "").split(","))
    listed.pop("", None)
    if listed:
        return [Chosen(name, "follow") for name in listed][:_NUM_CATEGORIES]
    hidden = user.hidden
    chosen = {event.item_id for event in user.history if event.event_type not in NEGATIVE_TYPES} - hidden
    counted = Counter(name for item_id in sorted(chosen) for name in set(view.categories_of(item_id)))
    often = sorted((-num, name) for name, num in counted.items() if num >= _OFTEN)
    return [Chosen(name, "often choose") for _, name in often[:_NUM_CATEGORIES]]
