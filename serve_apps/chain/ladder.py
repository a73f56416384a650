"""The rungs below retrieval: the user's last row, what is trending, what is popular."""

from __future__ import annotations

from collections.abc import Set as AbstractSet

from models.candidates import Candidates
from models.recommender import Recommender
from serve_apps.chain.answers import Answer, Item, make_answer, popular_items, recommended_items, trending_items
from serve_apps.chain.exclusion import Exclusion
from serve_apps.chain.rungs import Cause, Rung
from serve_apps.chain.task import AnyTask
from serve_apps.live.bundles import LiveBundles
from serve_apps.live.catalogue import LiveCatalogue
from serve_apps.live.last_rows import LastRows
from serve_apps.live.trending import LiveTrending

_NOBODY: frozenset[str] = frozenset()


class Ladder:
    """Answers from memory alone: no hop, no store, no net. Never empty unless the user may see nothing at all."""

    def __init__(
        self, bundles: LiveBundles, catalogue: LiveCatalogue, trending: LiveTrending, exclusion: Exclusion
    ) -> None:
        self._bundles, self._catalogue, self._trending, self._exclusion = bundles, catalogue, trending, exclusion
        self._last_rows = LastRows()

    def keep(self, task: AnyTask, recommender: Recommender, candidates: Candidates) -> None:
        """Remember what a full answer was chosen from."""
        self._last_rows.keep(task.user, recommender.version, candidates)

    def cached(self, task: AnyTask, cause: Cause) -> Answer:
        """The user's last row while it holds and what passes of its bundle is known, else what `trending` says."""
        last = self._last_rows.get(task.user)
        recommender = self._bundles.held(last.version) if last else None
        if last is None or recommender is None or (task.fits and not task.fits.is_made(last.version)):
            return self.trending(task, cause)
        view = self._catalogue.view(recommender)
        barred = recommender.rows(self._exclusion.of(task.user))
        kept = view.kept(last.candidates, task.user, task.fits).without(barred).head(task.query.limit)
        if not len(kept):
            return self.trending(task, cause)
        items = self.filled(recommended_items(recommender, view, task.user, kept), recommender, task)
        task.rung, task.cause = Rung.CACHED, cause
        return make_answer(items, task, recommender.version)

    def trending(self, task: AnyTask, cause: Cause, also: AbstractSet[str] = _NOBODY) -> Answer:
        """What is trending in the user's country, then everywhere, popular items behind; else what `popular` says."""
        recommender = self._bundles.champion
        view = self._catalogue.view(recommender)
        excluded = self._exclusion.of(task.user) | also
        ids = [item_id for item_id in self._trending.top(task.user.country) if item_id not in excluded]
        rows = view.allowed_rows(recommender.rows_in_order(ids), task.user, task.fits)[: task.query.limit]
        if not len(rows):
            return self.popular(task, cause, also)
        local = self._trending.in_country(task.user.country)
        items = trending_items(recommender, view, task.user, rows, local)
        task.rung, task.cause = Rung.TRENDING, cause
        return make_answer(self.filled(items, recommender, task, also, always=True), task, recommender.version)

    def popular(self, task: AnyTask, cause: Cause | None, also: AbstractSet[str] = _NOBODY) -> Answer:
        """Popular items without the excluded ones; when those are all, without the hidden ones; else any.

        `cause` None: the variant is for popular items, and this is no fallback.
        """
        recommender, user, limit = self._bundles.champion, task.user, task.query.limit
        view = self._catalogue.view(recommender)
        items = popular_items(recommender, view, user, limit, self._exclusion.of(user) | also, task.fits)
        for excluded in (user.hidden, _NOBODY):
            if not items:
                items = popular_items(recommender, view, user, limit, excluded, task.fits)
                cause = cause or Cause.NOTHING_FOUND
        task.rung, task.cause = (Rung.POPULAR if cause else None), cause
        return make_answer(items, task, recommender.version)

    def filled(
        self,
        items: list[Item],
        recommender: Recommender,
        task: AnyTask,
        also: AbstractSet[str] = _NOBODY,
        *,
        always: bool = False,
    ) -> list[Item]:
        """The row, what the user may not see replaced by popular items where no others were found.

        `always`: even when nothing is kept from anybody.
        """
        view, missing = self._catalogue.view(recommender), task.query.limit - len(items)
        if missing <= 0 or not (always or view.restricts or task.fits):
            return items
        shown = {item["item_id"] for item in items} | also | self._exclusion.of(task.user)
        others = popular_items(recommender, view, task.user, missing, shown, task.fits)
        return items + [{**item, "rank": rank} for rank, item in enumerate(others, start=len(items) + 1)]
