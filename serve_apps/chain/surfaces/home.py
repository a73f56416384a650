"""Home: a personal row of the whole catalogue, or a page of rows.

sources, side by side → rank → select or page, below them the ladder
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from models.recommender import Recommender
from models.selection import Listing
from models.selection.pool import MODEL
from serve_apps.chain.answers import Answer, with_reasons
from serve_apps.chain.deadline import Deadline
from serve_apps.chain.frame import Outcome
from serve_apps.chain.rungs import Cause
from serve_apps.chain.sources.gather import Offers, Sources
from serve_apps.chain.sources.ranked import ranked
from serve_apps.chain.sources.source import HomeTask
from serve_apps.chain.stages.select import choose, has_rules, in_time, without_rules
from serve_apps.chain.surfaces.page import Pages, wanted_sources
from serve_apps.chain.surfaces.paging import Paging
from serve_apps.chain.together import together
from serve_apps.chain.tools import Tools
from serve_apps.live.item_view import ItemView


class Home:
    """Answers home tasks, those of one bundle together, and of these the plain rows apart."""

    def __init__(self, tools: Tools, paging: Paging) -> None:
        self._tools, self._sources, self._paging = tools, Sources(tools), paging
        self._pages = Pages(tools, self._sources)

    async def answer(self, tasks: Sequence[HomeTask], hydrated: bool, deadline: Deadline) -> list[Answer]:
        """One answer for each task, in order; `hydrated` False: nothing is known of anybody."""
        groups: dict[tuple[str, bool], list[HomeTask]] = {}  # what the model alone makes waits for no other source
        answers: dict[int, Answer] = {}
        further = [task for task in tasks if task.query.cursor is not None]
        for task in tasks:
            if task.query.cursor is not None:
                continue
            at_once = self._at_once(task, hydrated)
            if at_once is None:
                version = self._tools.bundles.answering(task.variant.version)
                groups.setdefault((version, _is_plain(task)), []).append(task)
            else:
                answers[task.at] = at_once
        parts = list(groups.values())
        work = [self._personal(version, some, deadline) for (version, _), some in groups.items()]
        if further:
            parts, work = [*parts, further], [*work, self._paging.next(further, hydrated, deadline)]
        for some, theirs in zip(parts, await together(work), strict=True):
            answers.update(zip((task.at for task in some), theirs, strict=True))
        return await self._pages.completed(tasks, [answers[task.at] for task in tasks], deadline)

    def _at_once(self, task: HomeTask, hydrated: bool) -> Answer | None:
        """The answer of a task that needs no tier."""
        ladder = self._tools.ladder
        if task.refused:
            return ladder.popular(task, Cause.PERSONALIZATION_OFF)
        if task.variant.source == "popularity":
            return ladder.popular(task, None if hydrated else Cause.STORE_UNAVAILABLE)
        return None if hydrated else ladder.trending(task, Cause.STORE_UNAVAILABLE)

    async def _personal(self, version: str, tasks: Sequence[HomeTask], deadline: Deadline) -> list[Answer]:
        ladder, frame = self._tools.ladder, self._tools.frame
        loaded = await frame.run("load", self._loaded(version, tasks), deadline)
        recommender = loaded.result
        if recommender is None:
            return [ladder.cached(task, _why(loaded)) for task in tasks]
        known = [task for task in tasks if recommender.has_signal(task.user)]
        rows = iter(await self._rows(recommender, known, deadline)) if known else iter(())
        return [
            next(rows) if recommender.has_signal(task.user) else ladder.trending(task, Cause.UNKNOWN_USER)
            for task in tasks
        ]

    async def _loaded(self, version: str, tasks: Sequence[HomeTask]) -> Recommender:
        recommender = await self._tools.bundles.get(version)
        filters = [fits for task in tasks for fits in task.all_fits]
        await self._tools.catalogue.make_fit(recommender, filters)
        return recommender

    async def _rows(self, recommender: Recommender, tasks: Sequence[HomeTask], deadline: Deadline) -> list[Answer]:
        tools, sources = self._tools, self._sources
        batch = sources.batch(recommender, tasks, deadline)
        gathered = await sources.gather(batch, [wanted_sources(task) for task in tasks])
        failed = None if gathered.model is None or gathered.model.ok else _why(gathered.model)
        left = [
            {} if failed is not None and not task.query.rows and MODEL in wanted_sources(task) else some
            for task, some in zip(tasks, gathered.offers, strict=True)
        ]
        offers = await ranked(tools, sources, batch, left, deadline)
        view = tools.catalogue.view(recommender)
        offers = [_still(view, task, some) for task, some in zip(tasks, offers, strict=True)]
        listings = await self._ruled(recommender, tasks, offers, deadline)
        with tools.frame.timed("select"):
            return [
                self._answer(recommender, task, some, failed, listings.get(at))
                for at, (task, some) in enumerate(zip(tasks, offers, strict=True))
            ]

    async def _ruled(
        self, recommender: Recommender, tasks: Sequence[HomeTask], offers: Sequence[Offers], deadline: Deadline
    ) -> dict[int, Listing]:
        """Lists by the rules of the tasks that have some, by place. The others are told if theirs did not come."""
        works = {
            at: partial(self._chosen, recommender, task, offers[at])
            for at, task in enumerate(tasks)
            if task.query.rows is None and offers[at] and has_rules(task)
        }
        if not works:
            return {}
        listings, outcome = await in_time(self._tools.frame, works, deadline)
        for at in works.keys() - listings.keys():
            cause = Cause.RULES_LATE if outcome.ok or outcome.late else Cause.RULES_FAILED
            tasks[at].cause = tasks[at].cause or cause
        return listings

    def _answer(
        self,
        recommender: Recommender,
        task: HomeTask,
        offers: Offers,
        failed: Cause | None,
        listing: Listing | None,
    ) -> Answer:
        ladder, page = self._tools.ladder, task.query.rows is not None
        if failed is not None and MODEL in wanted_sources(task):
            below = ladder.cached(task, failed)
            return self._pages.page(recommender, task, offers, below) if page else below
        if not offers:
            return ladder.popular(task, Cause.NOTHING_FOUND)
        if task.rung is None and MODEL in offers:
            ladder.keep(task, recommender, offers[MODEL].candidates)
        if page:
            return self._pages.page(recommender, task, offers)
        if listing is None:
            listing = self._chosen(recommender, without_rules(task), offers)
        reasons = {name: offer.reasons for name, offer in offers.items() if name != MODEL}
        return self._paging.first(task, recommender, with_reasons(listing, reasons))

    def _chosen(self, recommender: Recommender, task: HomeTask, offers: Offers) -> Listing:
        lists = {name: offer.candidates for name, offer in offers.items()}
        view, length = self._tools.catalogue.view(recommender), self._paging.length(task.query.limit)
        return choose(recommender, view, self._tools.exclusion, task, lists, length)


def _is_plain(task: HomeTask) -> bool:
    """Whether the model is the only source of a row."""
    return task.query.rows is None and tuple(wanted_sources(task)) == (MODEL,)


def _still(view: ItemView, task: HomeTask, offers: Offers) -> Offers:
    """Without what has left while it was ranked."""
    left = {
        name: offer.kept(lambda candidates: view.kept(candidates, task.user, task.fits))
        for name, offer in offers.items()
    }
    return {name: offer for name, offer in left.items() if offer.shelves}


def _why(stage: Outcome[Any]) -> Cause:
    return Cause.RETRIEVAL_LATE if stage.late else Cause.RETRIEVAL_FAILED
