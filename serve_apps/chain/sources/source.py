"""The protocol of a source, and what it is asked about."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np

from models.candidates import Candidates
from models.features import UserBatch
from models.recommender import Recommender
from models.vocabulary import Rows
from serve_apps.chain.deadline import Deadline
from serve_apps.chain.exclusion import Exclusion
from serve_apps.chain.messages import HomeQuery
from serve_apps.chain.sources.offer import Offer
from serve_apps.chain.task import Task
from serve_apps.live.item_view import ItemView

HomeTask = Task[HomeQuery]
NUM_OFFERED = 50
"""Items of a shelf, at most, of every source but the model."""


@dataclass(frozen=True)
class Batch:
    """Tasks of one bundle."""

    recommender: Recommender
    view: ItemView
    tasks: Sequence[HomeTask]
    exclusion: Exclusion
    deadline: Deadline

    @cached_property
    def users(self) -> UserBatch:
        """The users as arrays."""
        return self.recommender.batch([task.user for task in self.tasks])

    @cached_property
    def barred(self) -> list[Rows]:
        """Item rows of the bundle that each task's exclusion bars."""
        return [self.recommender.rows(self.exclusion.of(task.user)) for task in self.tasks]

    def part(self, places: Sequence[int]) -> Batch:
        """The tasks at these places, ascending; this very batch when they are all."""
        if len(places) == len(self.tasks):
            return self
        return Batch(self.recommender, self.view, [self.tasks[at] for at in places], self.exclusion, self.deadline)

    def rows(self, item_ids: Sequence[str]) -> Rows:
        """Rows of the items, newcomers among them, in their order, without those that have none."""
        rows = [self.view.row_of(item_id) for item_id in item_ids]
        return np.asarray([row for row in rows if row is not None], np.int64)

    def allowed(self, at: int, candidates: Candidates) -> Candidates:
        """Those of the candidates that may be shown to the user of the task at `at`."""
        task = self.tasks[at]
        kept = self.view.kept(candidates, task.user, task.fits).without(self.barred[at])
        if (kept.item_rows >= len(self.recommender.items)).any():
            kept = kept.without(self.view.newcomers.rows(self.exclusion.of(task.user)))
        return kept.head(NUM_OFFERED)


class Source(Protocol):
    """One origin of candidates."""

    @property
    def name(self) -> str:
        """As variants and answers name it."""

    @property
    def ranked(self) -> bool:
        """Whether the ranker orders its items; else they stay as they come."""

    async def offers(self, batch: Batch) -> list[Offer]:
        """One offer for each task, in order, empty where there is nothing: only items that the user may see, that pass
        the task's filter and that its exclusion lets in. What it raises, or does too late, costs this source alone.
        """
