"""From questions to answers: each batch is hydrated, goes its surfaces' ways through the stages, and is recorded.

    hydrate → filter → (retrieve → rank → select) → record

A stage that fails or is late costs its rung (`rungs.py`), never the answer. On every rung an item that is deleted,
unavailable, expired or not for the user's country is left out. No row but one that was searched for is empty unless the
user may see nothing at all.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Protocol

from cluster.online.store import OnlineStore
from models.experiments import Experiment, Variant
from models.selection import NO_CONTROL, joined
from models.user_state import UserState
from serve_apps.chain.answers import Answer, make_answer
from serve_apps.chain.cursors import Cursors
from serve_apps.chain.deadline import Deadline
from serve_apps.chain.exclusion import Exclusion
from serve_apps.chain.frame import Frame, Measures
from serve_apps.chain.ladder import Ladder
from serve_apps.chain.messages import MAX_LIMIT, HomeQuery, Query, asks_for_page
from serve_apps.chain.rungs import Cause
from serve_apps.chain.stages.filter import Filter
from serve_apps.chain.stages.hydrate import Hydrate
from serve_apps.chain.stages.record import Recorder
from serve_apps.chain.surfaces.home import Home
from serve_apps.chain.surfaces.page import POPULARITY, PageAnswer
from serve_apps.chain.surfaces.paging import Paging
from serve_apps.chain.surfaces.rank import Rank
from serve_apps.chain.surfaces.search import Search
from serve_apps.chain.surfaces.similar import Similar
from serve_apps.chain.task import AnyTask, Task
from serve_apps.chain.together import together
from serve_apps.chain.tools import Ranker, Retriever, Tools
from serve_apps.live.bundles import LiveBundles
from serve_apps.live.catalogue import LiveCatalogue
from serve_apps.live.experiment import LiveExperiment
from serve_apps.live.trending import LiveTrending

_log = logging.getLogger(__name__)
_SHARE_OF_STORE = 0.5
"""Of the time there is, what the store may take: behind it, there must be enough for what answers without it."""


class Surface(Protocol):
    """One way through the stages."""

    async def answer(self, tasks: Sequence[AnyTask], hydrated: bool, deadline: Deadline) -> list[Answer]: ...


class Router:
    """Answers a batch of questions by the earliest of their deadlines."""

    def __init__(
        self,
        bundles: LiveBundles,
        store: OnlineStore,
        experiment: LiveExperiment,
        retrieval: Retriever,
        ranking: Ranker,
        measures: Measures,
        exclusion: Exclusion | None = None,
        cursors: Cursors | None = None,
    ) -> None:
        """`cursors` None: home rows have no further pages."""
        exclusion = exclusion or Exclusion()
        catalogue = LiveCatalogue(store.catalogue)
        bundles.before_each(catalogue.prepare)
        self._bundles, self._experiment, self._catalogue = bundles, experiment, catalogue
        self._trending = LiveTrending(store)
        self._hydrate = Hydrate(store, bundles, catalogue)
        self._ladder = Ladder(bundles, catalogue, self._trending, exclusion)
        self._recorder = Recorder(store)
        self._frame = Frame(measures)
        self._filter = Filter(bundles, catalogue, self._frame)
        tools = Tools(bundles, catalogue, exclusion, retrieval, ranking, self._ladder, self._trending, self._frame)
        self._paging = Paging(tools, cursors)
        self._surfaces: dict[str, Surface] = {
            "home": Home(tools, self._paging),
            "similar": Similar(tools),
            "search": Search(tools),
            "rank": Rank(tools),
        }

    async def champion(self) -> str:
        """Version of the champion in use."""
        return self._bundles.champion.version

    def close(self) -> None:
        """Stop following the store, and let go of threads and indexes; nothing is answered after it."""
        self._trending.close()
        self._hydrate.close()
        self._recorder.close()
        self._experiment.close()
        self._catalogue.close()

    async def spare(self, country: str | None) -> bytes:
        """The row that the gateway holds for strangers of a country, as long as one may be."""
        query = HomeQuery("", MAX_LIMIT, country=country)
        user, _ = self._hydrate.strangers([query])[0]
        return self._ladder.popular(Task(0, query, user, Variant(query.surface, 1.0)), Cause.CHAIN_LATE).to_json()

    async def recommend(self, queries: Sequence[Query]) -> list[bytes]:
        """One answer for each question, in order, as JSON."""
        deadline = min((query.deadline for query in queries), key=lambda each: each.at)
        hydrated = await self._frame.run("hydrate", self._hydrate.users(queries), deadline, _SHARE_OF_STORE)
        users = hydrated.result or self._hydrate.strangers(queries)
        experiment = self._experiment.current
        tasks = [
            _task(experiment, at, query, *user) for at, (query, user) in enumerate(zip(queries, users, strict=True))
        ]
        answers: dict[int, Answer] = {}
        for task in await self._filter.without(tasks, deadline):
            answers[task.at] = self._nothing(task)
        by_surface: dict[str, list[AnyTask]] = {}
        for task in tasks:
            if task.at not in answers:
                by_surface.setdefault(task.query.surface, []).append(task)
        work = [self._answered(name, some, hydrated.ok, deadline) for name, some in by_surface.items()]
        for some, done in zip(by_surface.values(), await together(work), strict=True):
            answers.update(zip((task.at for task in some), done, strict=True))
        in_order = [answers[at] for at in range(len(queries))]
        self._recorder.record(queries, in_order)
        self._frame.count([(query.surface, answer) for query, answer in zip(queries, in_order, strict=True)])
        return [answer.to_json() for answer in in_order]

    async def _answered(
        self, surface: str, tasks: Sequence[AnyTask], hydrated: bool, deadline: Deadline
    ) -> Sequence[Answer]:
        """A surface's answers; when it fails, what is popular, so that those of other surfaces are not lost with it."""
        try:
            return await self._surfaces[surface].answer(tasks, hydrated, deadline)
        except Exception:  # whatever it was, an answer is owed
            _log.exception("surface %s failed for a batch of %d", surface, len(tasks))
            return [self._instead(task) for task in tasks]

    def _instead(self, task: AnyTask) -> Answer:
        if isinstance(task.query, HomeQuery) and task.query.cursor is not None:
            return self._paging.again(task, Cause.CHAIN_FAILED)
        row = self._ladder.popular(task, Cause.CHAIN_FAILED)
        if not asks_for_page(task.query):
            return row
        rows = [{"title": "Popular", "source": POPULARITY, "items": row.items}] if row.items else []
        return PageAnswer.of(row, rows)

    def _nothing(self, task: AnyTask) -> Answer:
        """What a task is answered whose filter is late: no item, and a cursor that it came with."""
        if isinstance(task.query, HomeQuery) and task.query.cursor is not None:
            return self._paging.again(task, Cause.FILTER_LATE)
        empty = make_answer([], task, self._bundles.champion.version)
        return PageAnswer.of(empty, []) if asks_for_page(task.query) else empty


def _task(experiment: Experiment, at: int, query: Query, user: UserState, refused: bool) -> AnyTask:
    """Home rows are in the experiment; the other surfaces are the same for all and carry their name. A further page
    is of the variant and the recommendation that its list is of.
    """
    if not isinstance(query, HomeQuery):
        return Task(at, query, user, Variant(query.surface, 1.0), refused)
    if query.cursor is not None:
        of_list = Variant(query.cursor.variant, 1.0)
        task = Task(at, query, user, of_list, refused, propensity=query.cursor.propensity)
        task.recommendation_id = query.cursor.recommendation_id
        return task
    variant = experiment.assign(query.user_id)
    standing = variant.selection.control
    control = standing if query.control is None else joined(query.control, standing)
    control = NO_CONTROL if query.rows is not None else control  # a page of rows heeds none
    return Task(at, query, user, variant, refused, propensity=experiment.propensity(variant), control=control)
