"""Pages of home: the head of a list with a cursor to the rest, and from a cursor the next page."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from models.errors import BundleError, NotFoundError
from models.privacy import ERASED_ID
from models.recommender import Recommender
from models.selection import Cursor, Listing
from serve_apps.chain.answers import Answer, listed_items, make_answer
from serve_apps.chain.cursors import LIST_LENGTH, Cursors
from serve_apps.chain.deadline import Deadline
from serve_apps.chain.rungs import Cause, Rung
from serve_apps.chain.sources.source import HomeTask
from serve_apps.chain.together import together
from serve_apps.chain.tools import Tools
from serve_apps.live.item_view import ItemView

_log = logging.getLogger(__name__)


class Paging:
    """Cuts lists. `cursors` None: every list ends with its first page."""

    def __init__(self, tools: Tools, cursors: Cursors | None) -> None:
        self._tools, self._cursors = tools, cursors

    def length(self, limit: int) -> int:
        """How long a list has to be whose pages have so many items."""
        return limit if self._cursors is None else max(limit, LIST_LENGTH)

    def first(self, task: HomeTask, recommender: Recommender, listing: Listing) -> Answer:
        """The first page. A list that is shorter is filled up as every row of home is, and ends there."""
        view, limit = self._tools.catalogue.view(recommender), task.query.limit
        shown, rest = listing.part(0, limit), listing.part(limit)
        items = listed_items(recommender, view, task.user, shown)
        items = self._tools.ladder.filled(items, recommender, task)
        following = self._next(task, recommender, view, rest)
        return make_answer(items, task, recommender.version, following, _propensities(shown, len(items)))

    async def next(self, tasks: Sequence[HomeTask], hydrated: bool, deadline: Deadline) -> list[Answer]:
        """For each task the page that its cursor leads to."""
        return await together([self._one(task, hydrated, deadline) for task in tasks])

    async def _one(self, task: HomeTask, hydrated: bool, deadline: Deadline) -> Answer:
        cursor = task.query.cursor
        assert cursor is not None
        task.rung = None if cursor.rung is None else Rung(cursor.rung)
        task.cause = None if cursor.cause is None else Cause(cursor.cause)
        if task.refused or task.user.user_id == ERASED_ID:  # the list was made of what may not be used any more
            return make_answer([], _because(task, Cause.PERSONALIZATION_OFF), cursor.version)
        recommender = self._tools.bundles.held(cursor.version)
        if recommender is None or (task.fits and not task.fits.is_made(cursor.version)):
            return await self._later(task, cursor, deadline)
        if not hydrated:
            _because(task, Cause.STORE_UNAVAILABLE)
        return self._page(task, cursor, recommender)

    async def _later(self, task: HomeTask, cursor: Cursor, deadline: Deadline) -> Answer:
        """The bundle is fetched for the next try, and the cursor comes back; the list ends when there is none."""
        loaded = await self._tools.frame.run("load", self._exists(cursor.version), deadline)
        if loaded.result is False:
            return make_answer([], _because(task, Cause.RETRIEVAL_FAILED), cursor.version)
        return self.again(task, Cause.RETRIEVAL_LATE if loaded.ok or loaded.late else Cause.RETRIEVAL_FAILED)

    async def _exists(self, version: str) -> bool:
        """Load a bundle; False where there is none to wait for. What may pass, as a disk's failure, is raised."""
        try:
            await self._tools.bundles.get(version)
        except (BundleError, NotFoundError) as error:
            _log.warning("a list of version %s ends: %s", version, error)
            return False
        return True

    def again(self, task: HomeTask, cause: Cause) -> Answer:
        """No items of the list that the task's cursor leads to, and the cursor for another try."""
        cursor = task.query.cursor
        assert cursor is not None
        return make_answer([], _because(task, cause), cursor.version, self._written(task, cursor))

    def _page(self, task: HomeTask, cursor: Cursor, recommender: Recommender) -> Answer:
        view, limit = self._tools.catalogue.view(recommender), task.query.limit
        rest = _resolved(cursor, view)
        allowed = view.allows(rest.item_rows, task.user, task.fits)
        hidden = task.user.hidden
        allowed &= np.asarray([view.id_of(row) not in hidden for row in rest.item_rows.tolist()], np.bool_)
        places = np.flatnonzero(allowed)
        shown = rest.at(places[:limit])
        left = rest.part(int(places[limit]) if len(places) > limit else len(rest))
        items = listed_items(recommender, view, task.user, shown, cursor.num_above)
        following = self._next(task, recommender, view, left, cursor)
        chances = _propensities(shown, len(items))
        return make_answer(items, task, recommender.version, following, chances, cursor.num_above)

    def _next(
        self, task: HomeTask, recommender: Recommender, view: ItemView, rest: Listing, before: Cursor | None = None
    ) -> str | None:
        if self._cursors is None or not len(rest):
            return None
        newer = np.flatnonzero(rest.item_rows >= len(recommender.items)).tolist()
        unlisted = {place: view.id_of(int(rest.item_rows[place])) for place in newer}
        if unlisted:
            rows = rest.item_rows.copy()
            rows[newer] = -1
            rest = replace(rest, item_rows=rows)
        if before is not None:
            num_above = before.num_above + task.query.limit
            return self._written(task, replace(before, num_above=num_above, rest=rest, unlisted=unlisted))
        cursor = Cursor(
            task.recommendation_id,
            recommender.version,
            task.variant.name,
            task.propensity,
            task.query.limit,
            self._cursors.expiry(),
            rest,
            unlisted,
            task.rung,
            task.cause,
        )
        return self._written(task, cursor)

    def _written(self, task: HomeTask, cursor: Cursor) -> str:
        assert self._cursors is not None
        return self._cursors.write(cursor, task.query.user_id)


def _because(task: HomeTask, cause: Cause) -> HomeTask:
    task.rung, task.cause = Rung.CACHED, cause
    return task


def _propensities(shown: Listing, num_items: int) -> tuple[float, ...] | None:
    """Of each item of a page; what fills it up is there for certain."""
    if shown.propensities is None:
        return None
    return (*shown.propensities.tolist(), *[1.0] * (num_items - len(shown)))


def _resolved(cursor: Cursor, view: ItemView) -> Listing:
    """What is left, items that came after the bundle under the rows that this replica has for them."""
    if not cursor.unlisted:
        return cursor.rest
    rows = cursor.rest.item_rows.copy()
    for place, item_id in cursor.unlisted.items():
        row = view.row_of(item_id)
        rows[place] = -1 if row is None else row
    return replace(cursor.rest, item_rows=rows).at(np.flatnonzero(rows >= 0))
