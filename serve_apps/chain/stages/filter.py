"""Stage: what passes the filters of each question: its own, its user's limit of age, and those that raise and bury."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace

from models.recommender import Recommender
from models.selection import PLAIN, needs
from serve_apps.chain.age_rating import age_filter, age_limit
from serve_apps.chain.deadline import Deadline
from serve_apps.chain.frame import Frame
from serve_apps.chain.messages import HomeQuery
from serve_apps.chain.rungs import Cause, Rung
from serve_apps.chain.task import AnyTask
from serve_apps.live.bundles import LiveBundles
from serve_apps.live.catalogue import LiveCatalogue

_Asked = tuple[AnyTask, tuple[str, ...]]
"""A task, and the filters that it asks about."""
_SHARE_OF_SOFT = 0.5
"""Of the time there is, what filters may take that change the order alone: the row is worth more than they are."""


class Filter:
    """Costs nothing where no question has a filter."""

    def __init__(self, bundles: LiveBundles, catalogue: LiveCatalogue, frame: Frame) -> None:
        self._bundles, self._catalogue, self._frame = bundles, catalogue, frame

    async def without(self, tasks: Sequence[AnyTask], deadline: Deadline) -> list[AnyTask]:
        """Tell each task what passes. Those that have to go without are given back, with their rung: their rows are
        empty. One that only lacks what it would raise or bury goes on without it, and says so.
        """
        hard = [(task, texts) for task in tasks if (texts := _hard(task))]
        soft = [(task, texts) for task in tasks if (texts := needs(PLAIN, task.control).filters)]
        if not hard and not soft:
            return []
        passing, raising = await asyncio.gather(
            self._run(self._passing, hard, deadline, 1.0), self._run(self._raising, soft, deadline, _SHARE_OF_SOFT)
        )
        for task, _ in [] if raising else soft:
            task.control, task.cause = replace(task.control, boosts=(), buried=()), Cause.FILTER_LATE
        if passing:
            return []
        for task, _ in hard:
            task.rung, task.cause = Rung.POPULAR, Cause.FILTER_LATE
        return [task for task, _ in hard]

    async def _run(
        self, make: Callable[[Sequence[_Asked]], bool], asked: Sequence[_Asked], deadline: Deadline, share: float
    ) -> bool:
        """Whether it was made in time."""
        if not asked:
            return True
        return (await self._frame.run("filter", asyncio.to_thread(make, asked), deadline, share)).ok

    def _passing(self, asked: Sequence[_Asked]) -> bool:
        for task, texts in asked:
            task.fits = self._catalogue.fits(self._recommenders(task), texts)
        return True

    def _raising(self, asked: Sequence[_Asked]) -> bool:
        for task, texts in asked:
            row_of = self._recommenders(task)[:1]
            task.passes = {text: self._catalogue.fits(row_of, [text], soft=True) for text in texts}
        return True

    def _recommenders(self, task: AnyTask) -> list[Recommender]:
        """The bundle that the task's row will be of, if it is in memory, and the one that the ladder answers from."""
        query, champion = task.query, self._bundles.champion
        if isinstance(query, HomeQuery) and query.cursor:
            of_list = self._bundles.held(query.cursor.version)
            return [] if of_list is None else [of_list]
        own = self._bundles.held(self._bundles.answering(task.variant.version))
        return [champion] if own is None or own is champion else [own, champion]


def _hard(task: AnyTask) -> tuple[str, ...]:
    """Filters that everything in the row has to pass."""
    limit = age_limit(task.query, task.user)
    own = () if task.query.filter is None else (task.query.filter,)
    return own if limit is None else (*own, age_filter(limit))
