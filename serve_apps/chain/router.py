"""From questions to answers: each batch is hydrated, goes its surfaces' ways through the stages, and is recorded.

    hydrate → (retrieve → rank → select) → record

A stage that fails or is late costs its rung (`rungs.py`), never the answer. On every rung an item that is deleted,
unavailable, expired or not for the user's country is left out. No row but one that was searched for is empty unless the
user may see nothing at all.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Protocol

from cluster.online.store import OnlineStore
from models.experiments import Experiment, Variant
from serve_apps.chain.answers import Answer, make_answer
from serve_apps.chain.deadline import Deadline
from serve_apps.chain.exclusion import Exclusion
from serve_apps.chain.frame import Frame, Measures
from serve_apps.chain.ladder import Ladder
from serve_apps.chain.messages import MAX_LIMIT, HomeQuery, Query
from serve_apps.chain.rungs import Cause, Rung
from serve_apps.chain.stages.hydrate import Hydrate
from serve_apps.chain.stages.record import Recorder
from serve_apps.chain.surfaces.home import Home
from serve_apps.chain.surfaces.rank import Rank
from serve_apps.chain.surfaces.search import Search
from serve_apps.chain.surfaces.similar import Similar
from serve_apps.chain.task import AnyTask, Task
from serve_apps.chain.tools import Ranker, Retriever, Tools
from serve_apps.live.bundles import LiveBundles
from serve_apps.live.catalogue import LiveCatalogue
from serve_apps.live.experiment import LiveExperiment
from serve_apps.live.trending import LiveTrending

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
    ) -> None:
        exclusion = exclusion or Exclusion()
        catalogue = LiveCatalogue(store.catalogue)
        bundles.before_each(catalogue.prepare)
        self._bundles, self._experiment, self._catalogue = bundles, experiment, catalogue
        self._trending = LiveTrending(store)
        self._hydrate = Hydrate(store, bundles, catalogue)
        self._ladder = Ladder(bundles, catalogue, self._trending, exclusion)
        self._recorder = Recorder(store)
        self._frame = Frame(measures)
        tools = Tools(bundles, catalogue, exclusion, retrieval, ranking, self._ladder, self._frame)
        self._surfaces: dict[str, Surface] = {
            "home": Home(tools),
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
        by_surface: dict[str, list[AnyTask]] = {}
        for at, (query, (user, refused)) in enumerate(zip(queries, users, strict=True)):
            by_surface.setdefault(query.surface, []).append(Task(at, query, user, _variant(experiment, query), refused))
        answers = await self._filter(by_surface, deadline)
        work = [self._surfaces[name].answer(tasks, hydrated.ok, deadline) for name, tasks in by_surface.items()]
        for tasks, done in zip(by_surface.values(), await asyncio.gather(*work), strict=True):
            answers.update(zip((task.at for task in tasks), done, strict=True))
        in_order = [answers[at] for at in range(len(queries))]
        self._recorder.record(queries, in_order, experiment)
        self._frame.count([(query.surface, answer) for query, answer in zip(queries, in_order, strict=True)])
        return [answer.to_json() for answer in in_order]

    async def _filter(self, by_surface: dict[str, list[AnyTask]], deadline: Deadline) -> dict[int, Answer]:
        """Tell each task what passes its filter. Those that have to go without are answered here, and leave."""
        answers: dict[int, Answer] = {}
        filtered = [task for tasks in by_surface.values() for task in tasks if task.query.filter is not None]
        if not filtered:
            return answers
        ready = await self._frame.run("filter", asyncio.to_thread(self._fits, filtered), deadline)
        if not ready.ok:
            for task in filtered:
                task.rung, task.cause = Rung.POPULAR, Cause.FILTER_LATE
                answers[task.at] = make_answer([], task, self._bundles.champion.version)
            for name, tasks in by_surface.items():
                by_surface[name] = [task for task in tasks if task.at not in answers]
        return answers

    def _fits(self, tasks: Sequence[AnyTask]) -> bool:
        for task in tasks:
            recommender = self._bundles.held(self._bundles.answering(task.variant.version)) or self._bundles.champion
            task.fits = self._catalogue.fits(recommender, task.query.filter)
        return True


def _variant(experiment: Experiment, query: Query) -> Variant:
    """Home rows are in the experiment; the other surfaces are the same for all and carry their name."""
    if isinstance(query, HomeQuery):
        return experiment.assign(query.user_id)
    return Variant(query.surface, 1.0)
