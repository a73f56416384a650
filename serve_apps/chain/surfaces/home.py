"""Home: a personal row of the whole catalogue.

retrieve → rank → select, below them the ladder
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from models.candidates import Candidates
from models.features import UserBatch
from models.index.packed_rows import PackedRows
from models.recommender import Recommender
from models.selection.pool import MODEL
from models.vocabulary import Rows
from serve_apps.chain.answers import Answer, Reasons, with_reasons
from serve_apps.chain.cursors import Cursors
from serve_apps.chain.deadline import Deadline
from serve_apps.chain.frame import Outcome
from serve_apps.chain.messages import HomeQuery
from serve_apps.chain.rungs import Cause, Rung
from serve_apps.chain.stages.newcomers import brought_back, joined, new_candidates, standing_in
from serve_apps.chain.stages.retrieve import allowed_candidates
from serve_apps.chain.stages.select import choose
from serve_apps.chain.surfaces.paging import Paging
from serve_apps.chain.task import Task
from serve_apps.chain.tools import Tools

_HomeTask = Task[HomeQuery]


class Home:
    """Answers home tasks, those of one bundle together."""

    def __init__(self, tools: Tools, cursors: Cursors | None = None) -> None:
        self._tools, self._paging = tools, Paging(tools, cursors)

    async def answer(self, tasks: Sequence[_HomeTask], hydrated: bool, deadline: Deadline) -> list[Answer]:
        """One answer for each task, in order; `hydrated` False: nothing is known of anybody."""
        by_version: dict[str, list[_HomeTask]] = {}
        answers: dict[int, Answer] = {}
        further = [task for task in tasks if task.query.cursor is not None]
        for task in tasks:
            if task.query.cursor is not None:
                continue
            at_once = self._at_once(task, hydrated)
            if at_once is None:
                version = self._tools.bundles.answering(task.variant.version)
                by_version.setdefault(version, []).append(task)
            else:
                answers[task.at] = at_once
        work = [self._personal(version, some, deadline) for version, some in by_version.items()]
        done = await asyncio.gather(self._paging.next(further, hydrated, deadline), *work)
        for some, theirs in zip([further, *by_version.values()], done, strict=True):
            answers.update(zip((task.at for task in some), theirs, strict=True))
        return [answers[task.at] for task in tasks]

    def _at_once(self, task: _HomeTask, hydrated: bool) -> Answer | None:
        """The answer of a task that needs no tier."""
        ladder = self._tools.ladder
        if task.refused:
            return ladder.popular(task, Cause.PERSONALIZATION_OFF)
        if task.variant.source == "popularity":
            return ladder.popular(task, None if hydrated else Cause.STORE_UNAVAILABLE)
        return None if hydrated else ladder.trending(task, Cause.STORE_UNAVAILABLE)

    async def _personal(self, version: str, tasks: Sequence[_HomeTask], deadline: Deadline) -> list[Answer]:
        ladder, frame = self._tools.ladder, self._tools.frame
        loaded = await frame.run("load", self._tools.bundles.get(version), deadline)
        recommender = loaded.result
        if recommender is None:
            return [ladder.cached(task, _why(loaded)) for task in tasks]
        known = [task for task in tasks if recommender.has_signal(task.user)]
        rows = iter(await self._rows(recommender, known, deadline)) if known else iter(())
        return [
            next(rows) if recommender.has_signal(task.user) else ladder.trending(task, Cause.UNKNOWN_USER)
            for task in tasks
        ]

    async def _rows(self, recommender: Recommender, tasks: Sequence[_HomeTask], deadline: Deadline) -> list[Answer]:
        tools, version = self._tools, recommender.version
        batch = recommender.batch([task.user for task in tasks])
        barred = [recommender.rows(tools.exclusion.of(task.user)) for task in tasks]
        ask = partial(self._retrieve, version, batch, barred)
        view = tools.catalogue.view(recommender)
        work = [tools.frame.run("retrieve", allowed_candidates(view, tasks, ask), deadline)]
        if len(view.newcomers.placed):
            work.append(tools.frame.run("newcomers", new_candidates(tools, recommender, tasks, batch), deadline))
        found, *new = await asyncio.gather(*work)
        if found.result is None:
            return [tools.ladder.cached(task, _why(found)) for task in tasks]
        whole = found.result
        if new and new[0].result is not None:
            whole = list(map(joined, whole, new[0].result))
        stood_in = [standing_in(view, candidates) for candidates in whole]
        ranked = await tools.frame.run("rank", tools.ranking.rank(version, batch, stood_in), deadline)
        orders = whole
        if ranked.result is not None:
            orders = list(map(brought_back, whole, stood_in, ranked.result))
        else:
            for task in tasks:
                task.rung = Rung.WITHOUT_RANKING
                task.cause = Cause.RANKING_LATE if ranked.late else Cause.RANKING_FAILED
        with tools.frame.timed("select"):
            return [self._row(recommender, task, {MODEL: order}, {}) for task, order in zip(tasks, orders, strict=True)]

    async def _retrieve(
        self,
        version: str,
        users: UserBatch,
        barred: Sequence[Rows],
        at: Sequence[int],
        k: int,
        allowed: Sequence[PackedRows | None],
    ) -> list[Candidates]:
        some = users if len(at) == len(users) else users.take(np.asarray(at))
        return await self._tools.retrieval.retrieve(version, some, k, [barred[n] for n in at], allowed)

    def _row(
        self,
        recommender: Recommender,
        task: _HomeTask,
        lists: Mapping[str, Candidates],
        reasons: Mapping[str, Reasons],
    ) -> Answer:
        """`lists`: by source, the model's and others. `reasons`: of the others, why their items are there."""
        ladder, view = self._tools.ladder, self._tools.catalogue.view(recommender)
        # Without what has left while it was ranked.
        lists = {source: view.kept(candidates, task.user, task.fits) for source, candidates in lists.items()}
        if not any(map(len, lists.values())):
            return ladder.popular(task, Cause.NOTHING_FOUND)
        if task.rung is None and MODEL in lists:
            ladder.keep(task, recommender, lists[MODEL])
        length = self._paging.length(task.query.limit)
        listing = choose(recommender, view, self._tools.exclusion, task, lists, length)
        return self._paging.first(task, recommender, with_reasons(listing, reasons))


def _why(stage: Outcome[Any]) -> Cause:
    return Cause.RETRIEVAL_LATE if stage.late else Cause.RETRIEVAL_FAILED
