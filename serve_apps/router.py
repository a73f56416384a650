"""Stage: from questions to answers. Assigns variants, reads the users once for the batch, asks retrieval and ranking.

The rungs below the full chain, named in an answer's `fallback`:

    unknown_user, unknown_item   nothing is known of the user or item: popular items answer
    all_seen                     the user has seen the whole catalogue: popular items answer
    without_ranking              ranking failed: retrieval's order answers
    retrieval_failed             retrieval failed: popular items answer
    store_unavailable            the user's state could not be read: popular items answer
"""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from cluster.online_store import OnlineUser, open_store
from models.errors import StoreError
from models.experiments import Experiment, Variant, load_experiment
from models.exposures import Exposure
from models.features import UserBatch
from models.recommender import Candidates
from models.user_state import UserState
from models.vocabulary import Rows
from serve_apps.answers import popular_items, recommended_items, similar_items
from serve_apps.live_bundles import LiveBundles
from serve_apps.messages import Answer, HomeQuery, Query, SimilarQuery

_log = logging.getLogger(__name__)
_CANDIDATES = 200
_STAGE_TIMEOUT_S = 2.0


class Retriever(Protocol):
    """The retrieval stage, wherever it runs."""

    async def retrieve(self, version: str, users: UserBatch, k: int, barred: Sequence[Rows]) -> list[Candidates]: ...

    async def similar(self, version: str, item_ids: Sequence[str], k: int) -> list[Candidates]: ...


class Ranker(Protocol):
    """The ranking stage, wherever it runs."""

    async def rank(self, version: str, users: UserBatch, candidates: Sequence[Candidates]) -> list[Candidates]: ...


@dataclass(frozen=True, slots=True)
class _Task:
    """One home question on its way: `at` is its place in the batch."""

    at: int
    query: HomeQuery
    user: UserState
    variant: Variant


class Router:
    """Answers a batch of questions; never raises for one of them and never answers with an empty list."""

    def __init__(
        self, registry_uri: str, store_url: str, experiments: Path | None, retrieval: Retriever, ranking: Ranker
    ) -> None:
        self._bundles = LiveBundles(registry_uri)
        self._store = open_store(store_url)
        self._experiment: Experiment = load_experiment(experiments)
        self._retrieval, self._ranking = retrieval, ranking
        self._recording: set[asyncio.Task[None]] = set()

    async def champion(self) -> str:
        """Version of the champion in use."""
        return self._bundles.champion

    async def recommend(self, queries: Sequence[Query]) -> list[Answer]:
        """One answer for each question, in order."""
        users, store_failed = await self._users(queries)
        answers: list[Answer | None] = [None] * len(queries)
        home: dict[str, list[_Task]] = {}
        for at, (query, user) in enumerate(zip(queries, users, strict=True)):
            if isinstance(query, HomeQuery):
                variant = self._experiment.assign(query.user_id)
                task = _Task(at, query, user, variant)
                if variant.source == "popularity" or store_failed:
                    answers[at] = self._popular(task, "store_unavailable" if store_failed else None)
                else:
                    home.setdefault(variant.version or self._bundles.champion, []).append(task)
        work = [self._home(version, tasks, answers) for version, tasks in home.items()]
        await asyncio.gather(*work, self._similar(queries, users, answers))
        done = [answer for answer in answers if answer is not None]
        assert len(done) == len(queries)
        self._record(queries, done)
        return done

    async def _users(self, queries: Sequence[Query]) -> tuple[list[UserState], bool]:
        """State of each question's user, in one fetch; empty states when the store cannot answer."""
        now = datetime.now(UTC)
        ids = [query.user_id or "" for query in queries]
        try:
            found = await asyncio.to_thread(self._store.users, ids)
        except StoreError as error:
            _log.error("answering without the store: %s", error)
            return [UserState(user_id, now) for user_id in ids], True
        return [
            _state(user_id, user, query, now) for user_id, user, query in zip(ids, found, queries, strict=True)
        ], False

    async def _home(self, version: str, tasks: list[_Task], answers: list[Answer | None]) -> None:
        recommender = await asyncio.to_thread(self._bundles.get, version)
        known = [task for task in tasks if recommender.has_signal(task.user)]
        for task in tasks:
            if not recommender.has_signal(task.user):
                answers[task.at] = self._popular(task, "unknown_user")
        if not known:
            return
        batch = recommender.batch([task.user for task in known])
        barred = [recommender.rows(task.user.seen) for task in known]
        try:
            found = await asyncio.wait_for(
                self._retrieval.retrieve(version, batch, _CANDIDATES, barred), _STAGE_TIMEOUT_S
            )
        except Exception:  # a failed stage costs its rung, never the answer
            _log.exception("retrieval failed; popular items answer %d questions", len(known))
            for task in known:
                answers[task.at] = self._popular(task, "retrieval_failed")
            return
        ranked, fallback = await self._rank(version, batch, found)
        for task, candidates in zip(known, ranked, strict=True):
            if not len(candidates):
                answers[task.at] = self._popular(task, "all_seen")
                continue
            items = recommended_items(recommender, task.user, candidates.head(task.query.limit))
            answers[task.at] = _answer(items, task.variant.name, version, fallback, task.user)

    async def _rank(
        self, version: str, users: UserBatch, found: list[Candidates]
    ) -> tuple[list[Candidates], str | None]:
        try:
            return await asyncio.wait_for(self._ranking.rank(version, users, found), _STAGE_TIMEOUT_S), None
        except Exception:  # a failed stage costs its rung, never the answer
            _log.exception("ranking failed; retrieval's order answers %d questions", len(found))
            return found, "without_ranking"

    async def _similar(
        self, queries: Sequence[Query], users: Sequence[UserState], answers: list[Answer | None]
    ) -> None:
        asked = [(at, query) for at, query in enumerate(queries) if isinstance(query, SimilarQuery)]
        if not asked:
            return
        version = self._bundles.champion
        recommender = self._bundles.get(version)
        fallback = "unknown_item"
        try:
            ids = [query.item_id for _, query in asked]
            call = self._retrieval.similar(version, ids, _CANDIDATES)
            found = await asyncio.wait_for(call, _STAGE_TIMEOUT_S)
        except Exception:  # a failed stage costs its rung, never the answer
            _log.exception("retrieval failed; popular items answer %d questions", len(asked))
            found, fallback = [Candidates.empty()] * len(asked), "retrieval_failed"
        for (at, query), candidates in zip(asked, found, strict=True):
            user = users[at]
            items = similar_items(recommender, query, candidates, user.hidden)
            if items:
                answers[at] = _answer(items, "model", version, None, user)
            else:
                items = popular_items(recommender, user, query.limit, user.hidden | {query.item_id})
                answers[at] = _answer(items, "model", version, fallback, user)

    def _popular(self, task: _Task, fallback: str | None) -> Answer:
        version = self._bundles.champion
        recommender = self._bundles.get(version)
        items = popular_items(recommender, task.user, task.query.limit, task.user.seen)
        return _answer(items, task.variant.name, version, fallback, task.user)

    def _record(self, queries: Sequence[Query], answers: Sequence[Answer]) -> None:
        """Log the exposures after the answers, off their path."""
        now = datetime.now(UTC)
        shares = {v.name: self._experiment.propensity(v) for v in self._experiment.variants}
        exposures = [
            Exposure(
                recommendation_id=answer.recommendation_id,
                user_id=query.user_id or "",
                surface="home" if isinstance(query, HomeQuery) else "similar",
                variant=answer.variant,
                model_version=answer.model_version,
                fallback=answer.fallback,
                item_ids=tuple(item["item_id"] for item in answer.items),
                propensity=shares.get(answer.variant, 1.0) if isinstance(query, HomeQuery) else 1.0,
                timestamp=now,
            )
            for query, answer in zip(queries, answers, strict=True)
        ]
        task = asyncio.create_task(self._append(exposures))
        self._recording.add(task)
        task.add_done_callback(self._recording.discard)

    async def _append(self, exposures: Sequence[Exposure]) -> None:
        try:
            await asyncio.to_thread(self._store.append_exposures, exposures)
        except StoreError as error:
            _log.error("%d exposures were not recorded: %s", len(exposures), error)


def _state(user_id: str, user: OnlineUser, query: Query, now: datetime) -> UserState:
    asked = query.country if isinstance(query, HomeQuery) else None
    return UserState(user_id, now, user.history, asked or user.country)


def _answer(items: list[dict[str, Any]], variant: str, version: str, fallback: str | None, user: UserState) -> Answer:
    newest = max((event.timestamp_us for event in user.history), default=None)
    now_us = int(user.now.timestamp() * 1e6)
    freshness_ms = -1 if newest is None else max(0, (now_us - newest) // 1_000)
    return Answer(uuid.uuid4().hex, items, variant, version, fallback, freshness_ms)
