"""From questions to answers: the stages of a batch, one after the other, each in its frame.

    hydrate → retrieve → rank → select → record

A stage that fails or is late costs its rung (`rungs.py`), never the answer. On every rung an item that is deleted,
unavailable, expired or not for the user's country is left out, and others take its place. No answer is empty unless the
user may see nothing at all.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial
from typing import Protocol

from cluster.online.store import OnlineStore
from models.candidates import Candidates
from models.experiments import Experiment, Variant
from models.features import UserBatch
from models.recommender import Recommender
from models.vocabulary import Rows
from serve_apps.chain.answers import Answer, make_answer, recommended_items, similar_items
from serve_apps.chain.deadline import Deadline
from serve_apps.chain.exclusion import Exclusion
from serve_apps.chain.frame import Frame, Measures
from serve_apps.chain.ladder import Ladder
from serve_apps.chain.messages import MAX_LIMIT, HomeQuery, Query, SimilarQuery
from serve_apps.chain.rungs import Cause, Rung
from serve_apps.chain.stages.hydrate import Hydrate
from serve_apps.chain.stages.record import Recorder
from serve_apps.chain.stages.retrieve import allowed_candidates
from serve_apps.chain.task import Task
from serve_apps.live.bundles import LiveBundles
from serve_apps.live.catalogue import LiveCatalogue
from serve_apps.live.trending import LiveTrending

_SHARE_OF_STORE = 0.5
"""Of the time there is, what the store may take: behind it, there must be enough for what answers without it."""
SIMILAR_VARIANT = "similar"
"""Similar items are outside the experiment; their answers carry this as `variant`."""


class Retriever(Protocol):
    """The retrieval tier, wherever it runs."""

    async def retrieve(self, version: str, users: UserBatch, k: int, barred: Sequence[Rows]) -> list[Candidates]: ...

    async def similar(self, version: str, item_ids: Sequence[str], k: int) -> list[Candidates]: ...


class Ranker(Protocol):
    """The ranking tier, wherever it runs."""

    async def rank(self, version: str, users: UserBatch, candidates: Sequence[Candidates]) -> list[Candidates]: ...


class Router:
    """Answers a batch of questions by the earliest of their deadlines."""

    def __init__(
        self,
        bundles: LiveBundles,
        store: OnlineStore,
        experiment: Experiment,
        retrieval: Retriever,
        ranking: Ranker,
        measures: Measures,
        exclusion: Exclusion | None = None,
    ) -> None:
        self._bundles, self._experiment = bundles, experiment
        self._retrieval, self._ranking = retrieval, ranking
        self._exclusion = exclusion or Exclusion()
        self._catalogue = LiveCatalogue(store.catalogue)
        bundles.before_each(self._catalogue.prepare)
        self._trending = LiveTrending(store)
        self._hydrate = Hydrate(store, bundles, self._catalogue)
        self._ladder = Ladder(bundles, self._catalogue, self._trending, self._exclusion)
        self._recorder = Recorder(store, experiment)
        self._frame = Frame(measures)

    async def champion(self) -> str:
        """Version of the champion in use."""
        return self._bundles.champion.version

    def close(self) -> None:
        """Stop following the store."""
        self._trending.close()

    async def spare(self, country: str | None) -> bytes:
        """The row that the gateway holds for strangers of a country, as long as one may be."""
        query = HomeQuery("", MAX_LIMIT, country)
        user, _ = self._hydrate.strangers([query])[0]
        return self._ladder.popular(Task(0, query, user, Variant(query.surface, 1.0)), Cause.CHAIN_LATE).to_json()

    async def recommend(self, queries: Sequence[Query]) -> list[bytes]:
        """One answer for each question, in order, as JSON."""
        deadline = min((query.deadline for query in queries), key=lambda each: each.at)
        hydrated = await self._frame.run("hydrate", self._hydrate.users(queries), deadline, _SHARE_OF_STORE)
        users = hydrated.result or self._hydrate.strangers(queries)
        tasks = [
            Task(at, query, user, self._variant(query), refused)
            for at, (query, (user, refused)) in enumerate(zip(queries, users, strict=True))
        ]
        answers: dict[int, Answer] = {}
        similar, home = self._divide(tasks, hydrated.ok, answers)
        work = [self._home(version, those, answers, deadline) for version, those in home.items()]
        await asyncio.gather(*work, *([self._similar(similar, answers, deadline)] if similar else []))
        in_order = [answers[at] for at in range(len(queries))]
        self._recorder.record(queries, in_order)
        self._frame.count([(query.surface, answer) for query, answer in zip(queries, in_order, strict=True)])
        return [answer.to_json() for answer in in_order]

    def _variant(self, query: Query) -> Variant:
        if isinstance(query, SimilarQuery):
            return Variant(SIMILAR_VARIANT, 1.0)
        return self._experiment.assign(query.user_id)

    def _divide(
        self, tasks: Sequence[Task], hydrated: bool, answers: dict[int, Answer]
    ) -> tuple[list[Task], dict[str, list[Task]]]:
        """Tasks of similar items, and home tasks by version; those that need no stage more are answered at once."""
        similar: list[Task] = []
        home: dict[str, list[Task]] = {}
        for task in tasks:
            query = task.query
            if isinstance(query, SimilarQuery):
                if not hydrated and query.user_id:  # what they hid is not known
                    answers[task.at] = self._ladder.trending(task, Cause.STORE_UNAVAILABLE, {query.item_id})
                else:
                    similar.append(task)
            elif task.refused:
                answers[task.at] = self._ladder.popular(task, Cause.PERSONALIZATION_OFF)
            elif task.variant.source == "popularity":
                answers[task.at] = self._ladder.popular(task, None if hydrated else Cause.STORE_UNAVAILABLE)
            elif not hydrated:
                answers[task.at] = self._ladder.trending(task, Cause.STORE_UNAVAILABLE)
            else:
                home.setdefault(task.variant.version or self._bundles.champion.version, []).append(task)
        return similar, home

    async def _home(self, version: str, tasks: Sequence[Task], answers: dict[int, Answer], deadline: Deadline) -> None:
        """Answers of one version's tasks, into `answers`."""
        loaded = await self._frame.run("load", self._bundles.get(version), deadline)
        recommender = loaded.result
        if recommender is None:
            cause = Cause.RETRIEVAL_LATE if loaded.late else Cause.RETRIEVAL_FAILED
            answers.update((task.at, self._ladder.cached(task, cause)) for task in tasks)
            return
        known = [task for task in tasks if recommender.has_signal(task.user)]
        answers.update(
            (task.at, self._ladder.trending(task, Cause.UNKNOWN_USER))
            for task in tasks
            if not recommender.has_signal(task.user)
        )
        if known:
            await self._personal(recommender, known, answers, deadline)

    async def _personal(
        self, recommender: Recommender, tasks: Sequence[Task], answers: dict[int, Answer], deadline: Deadline
    ) -> None:
        batch = recommender.batch([task.user for task in tasks])
        barred = [recommender.rows(self._exclusion.of(task.user)) for task in tasks]
        view = self._catalogue.view(recommender)
        ask = partial(self._retrieve, recommender.version, batch, barred)
        found = await self._frame.run("retrieve", allowed_candidates(view, tasks, ask), deadline)
        if found.result is None:
            cause = Cause.RETRIEVAL_LATE if found.late else Cause.RETRIEVAL_FAILED
            answers.update((task.at, self._ladder.cached(task, cause)) for task in tasks)
            return
        ranked = await self._frame.run("rank", self._ranking.rank(recommender.version, batch, found.result), deadline)
        if ranked.result is None:
            for task in tasks:
                task.rung = Rung.WITHOUT_RANKING
                task.cause = Cause.RANKING_LATE if ranked.late else Cause.RANKING_FAILED
        with self._frame.timed("select"):
            for task, candidates in zip(tasks, ranked.result or found.result, strict=True):
                answers[task.at] = self._row(recommender, task, candidates)

    async def _retrieve(self, version: str, users: UserBatch, barred: Sequence[Rows], k: int) -> list[Candidates]:
        return await self._retrieval.retrieve(version, users, k, barred)

    def _row(self, recommender: Recommender, task: Task, candidates: Candidates) -> Answer:
        if not len(candidates):
            return self._ladder.popular(task, Cause.NOTHING_FOUND)
        if task.rung is None:
            self._ladder.keep(task, recommender, candidates)
        view = self._catalogue.view(recommender)
        items = recommended_items(recommender, view, task.user, candidates.head(task.query.limit))
        return make_answer(self._ladder.filled(items, recommender, task), task, recommender.version)

    async def _similar(self, tasks: Sequence[Task], answers: dict[int, Answer], deadline: Deadline) -> None:
        recommender = self._bundles.champion
        view = self._catalogue.view(recommender)
        ids = [task.query.item_id for task in tasks if isinstance(task.query, SimilarQuery)]

        async def ask(k: int) -> list[Candidates]:
            return await self._retrieval.similar(recommender.version, ids, k)

        found = await self._frame.run("retrieve", allowed_candidates(view, tasks, ask), deadline)
        none = [Candidates.empty()] * len(ids)
        with self._frame.timed("select"):
            for task, item_id, candidates in zip(tasks, ids, found.result or none, strict=True):
                shown = candidates.without(recommender.rows(task.user.hidden))
                items = similar_items(recommender, view, item_id, shown.head(task.query.limit))
                if items:
                    items = self._ladder.filled(items, recommender, task, {item_id})
                    answers[task.at] = make_answer(items, task, recommender.version)
                    continue
                if not found.ok:
                    cause = Cause.RETRIEVAL_LATE if found.late else Cause.RETRIEVAL_FAILED
                else:
                    unknown = recommender.items.vocabulary.row(item_id) is None
                    cause = Cause.UNKNOWN_ITEM if unknown else Cause.NOTHING_FOUND
                answers[task.at] = self._ladder.trending(task, cause, {item_id})
