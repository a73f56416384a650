"""Stage: from questions to answers. Assigns variants, reads the users once for the batch, asks retrieval and ranking.

The rungs below the full chain, named in an answer's `fallback`:

    personalization_off          the user refused it: popular items of their country answer, for all alike
    unknown_user, unknown_item   nothing is known of the user or item: popular items answer
    all_seen                     nothing is left that the user has not seen: popular items answer
    without_ranking              ranking failed: retrieval's order answers
    retrieval_failed             retrieval failed: popular items answer
    store_unavailable            the user's state could not be read: popular items answer

On every rung an item that is deleted, unavailable, expired or not for the user's country is left out, and others take
its place.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

import numpy as np

from cluster.online.store import OnlineStore, OnlineUser
from models.candidates import Candidates
from models.errors import StoreError
from models.experiments import Experiment, Variant
from models.features import UserBatch
from models.privacy import ERASED_ID
from models.recommender import NUM_CANDIDATES, Recommender
from models.user_state import UserState
from models.vocabulary import Rows
from serve_apps.chain.answers import Answer, Item, make_answer, popular_items, recommended_items, similar_items
from serve_apps.chain.messages import HomeQuery, Query, SimilarQuery
from serve_apps.chain.recorder import Recorder
from serve_apps.live.bundles import LiveBundles
from serve_apps.live.catalogue import LiveCatalogue

_log = logging.getLogger(__name__)
SIMILAR_VARIANT = "similar"
"""Similar items are outside the experiment; their answers carry this as `variant`."""
_STAGE_TIMEOUT_S = 2.0
_MIN_CANDIDATES = NUM_CANDIDATES // 2
"""Candidates that a user has to be left with once those they may not see are out; else retrieval is asked for more."""
_WIDEN, _MAX_CANDIDATES = 8, 64 * NUM_CANDIDATES
"""How many times as many are asked for then, and at most; popular items fill what is missing still."""


class Retriever(Protocol):
    """The retrieval stage, wherever it runs."""

    async def retrieve(self, version: str, users: UserBatch, k: int, barred: Sequence[Rows]) -> list[Candidates]: ...

    async def similar(self, version: str, item_ids: Sequence[str], k: int) -> list[Candidates]: ...


class Ranker(Protocol):
    """The ranking stage, wherever it runs."""

    async def rank(self, version: str, users: UserBatch, candidates: Sequence[Candidates]) -> list[Candidates]: ...


@dataclass(frozen=True, slots=True)
class _Task:
    """One question on its way: `at` is its place in the batch."""

    at: int
    query: Query
    user: UserState
    variant: Variant


class Router:
    """Answers a batch of questions; a failed stage costs its rung, never the answer.

    No answer is empty unless the user may see nothing at all.
    """

    def __init__(
        self,
        bundles: LiveBundles,
        store: OnlineStore,
        experiment: Experiment,
        retrieval: Retriever,
        ranking: Ranker,
        exclude_seen: bool = True,
    ) -> None:
        self._bundles, self._store, self._experiment = bundles, store, experiment
        self._retrieval, self._ranking = retrieval, ranking
        self._exclude_seen = exclude_seen
        self._recorder = Recorder(store, experiment)
        self._catalogue = LiveCatalogue(store.catalogue)
        bundles.before_each(self._catalogue.prepare)

    async def champion(self) -> str:
        """Version of the champion in use."""
        return self._bundles.champion.version

    async def recommend(self, queries: Sequence[Query]) -> list[bytes]:
        """One answer for each question, in order, as JSON."""
        users, store_failed = await self._users(queries)
        answers: dict[int, Answer] = {}
        home: dict[str, list[_Task]] = {}
        similar: list[_Task] = []
        for at, (query, (user, refused)) in enumerate(zip(queries, users, strict=True)):
            if isinstance(query, SimilarQuery):
                task = _Task(at, query, user, Variant(SIMILAR_VARIANT, 1.0))
                if store_failed and query.user_id:  # what they hid is not known
                    answers[at] = self._popular(task, "store_unavailable", {query.item_id})
                else:
                    similar.append(task)
                continue
            task = _Task(at, query, user, self._experiment.assign(query.user_id))
            if refused and not store_failed:
                answers[at] = self._popular(task, "personalization_off")
            elif task.variant.source == "popularity" or store_failed:
                answers[at] = self._popular(task, "store_unavailable" if store_failed else None)
            else:
                home.setdefault(task.variant.version or self._bundles.champion.version, []).append(task)
        work = [self._home(version, tasks, answers) for version, tasks in home.items()]
        await asyncio.gather(*work, *([self._similar(similar, answers)] if similar else []))
        in_order = [answers[at] for at in range(len(queries))]
        self._recorder.record(queries, in_order)
        return [answer.to_json() for answer in in_order]

    async def _users(self, queries: Sequence[Query]) -> tuple[list[tuple[UserState, bool]], bool]:
        """State of each question's user, and whether they refuse personalization, in one fetch; empty states and True
        when the store cannot answer.

        That fetch also tells whether the catalogue has changed. Only then what changed is fetched, before any answer.
        """
        now = datetime.now(UTC)
        ids = [query.user_id or "" for query in queries]
        failed = False
        try:
            found = await asyncio.wait_for(asyncio.to_thread(self._fetch, ids), _STAGE_TIMEOUT_S)
        except (StoreError, TimeoutError) as error:
            _log.error("answering without the store: %r", error)
            found, failed = [OnlineUser()] * len(ids), True
        states = [_state(user, query, now) for user, query in zip(found, queries, strict=True)]
        return [(state, user.personalization is False) for state, user in zip(states, found, strict=True)], failed

    def _fetch(self, user_ids: Sequence[str]) -> list[OnlineUser]:
        fetched = self._store.fetch(user_ids)
        self._catalogue.catch_up(self._bundles.loaded, fetched.items_version)
        return fetched.users

    async def _home(self, version: str, tasks: Sequence[_Task], answers: dict[int, Answer]) -> None:
        """Answers of one version's tasks, into `answers`."""
        try:
            recommender = await asyncio.wait_for(self._bundles.get(version), _STAGE_TIMEOUT_S)
            known: list[_Task] = []
            for task in tasks:
                if recommender.has_signal(task.user):
                    known.append(task)
                else:
                    answers[task.at] = self._popular(task, "unknown_user")
            if not known:
                return
            batch = recommender.batch([task.user for task in known])
            barred = [recommender.rows(self._excluded(task.user)) for task in known]
            found = await self._candidates(
                recommender, known, lambda k: self._retrieval.retrieve(version, batch, k, barred)
            )
        except Exception:  # whatever it was, the answer is owed
            _log.exception("retrieval failed for version %s; popular items answer", version)
            for task in tasks:
                answers.setdefault(task.at, self._popular(task, "retrieval_failed"))
            return
        ranked, fallback = await self._rank(version, batch, found)
        for task, candidates in zip(known, ranked, strict=True):
            answers[task.at] = self._personal(recommender, task, candidates, fallback)

    async def _candidates(
        self, recommender: Recommender, tasks: Sequence[_Task], ask: Callable[[int], Awaitable[list[Candidates]]]
    ) -> list[Candidates]:
        """What retrieval finds and the users may see; asked for more while that leaves a user with too few."""
        view, k = self._catalogue.view(recommender), NUM_CANDIDATES
        while True:
            found = await asyncio.wait_for(ask(k), _STAGE_TIMEOUT_S)
            kept = [view.kept(whole, task.user) for task, whole in zip(tasks, found, strict=True)]
            short = any(
                # Fewer than were asked for are all there are.
                len(few) < len(whole) == k and len(few) < max(_MIN_CANDIDATES, task.query.limit)
                for task, few, whole in zip(tasks, kept, found, strict=True)
            )
            if not short or k >= _MAX_CANDIDATES:
                return [candidates.head(NUM_CANDIDATES) for candidates in kept]
            k *= _WIDEN

    async def _rank(
        self, version: str, users: UserBatch, found: list[Candidates]
    ) -> tuple[list[Candidates], str | None]:
        try:
            return await asyncio.wait_for(self._ranking.rank(version, users, found), _STAGE_TIMEOUT_S), None
        except Exception:  # whatever it was, the answer is owed
            _log.exception("ranking failed for version %s; retrieval's order answers", version)
            return found, "without_ranking"

    async def _similar(self, tasks: Sequence[_Task], answers: dict[int, Answer]) -> None:
        recommender = self._bundles.champion
        ids = [task.query.item_id for task in tasks if isinstance(task.query, SimilarQuery)]
        failed = False
        try:
            found = await self._candidates(
                recommender, tasks, lambda k: self._retrieval.similar(recommender.version, ids, k)
            )
        except Exception:  # whatever it was, the answer is owed
            _log.exception("retrieval failed for version %s; popular items answer", recommender.version)
            found, failed = [Candidates.empty()] * len(ids), True
        view = self._catalogue.view(recommender)
        for task, item_id, candidates in zip(tasks, ids, found, strict=True):
            shown = candidates.where(~np.isin(candidates.item_rows, recommender.rows(task.user.hidden)))
            items = similar_items(recommender, view, item_id, shown.head(task.query.limit))
            if items:
                items = self._filled(items, recommender, task, {item_id})
                answers[task.at] = make_answer(items, SIMILAR_VARIANT, recommender.version, None, task.user)
                continue
            unknown = recommender.items.vocabulary.row(item_id) is None
            fallback = "retrieval_failed" if failed else "unknown_item" if unknown else "all_seen"
            answers[task.at] = self._popular(task, fallback, {item_id})

    def _personal(self, recommender: Recommender, task: _Task, candidates: Candidates, fallback: str | None) -> Answer:
        if not len(candidates):
            return self._popular(task, "all_seen")
        view = self._catalogue.view(recommender)
        items = recommended_items(recommender, view, task.user, candidates.head(task.query.limit))
        items = self._filled(items, recommender, task)
        return make_answer(items, task.variant.name, recommender.version, fallback, task.user)

    def _popular(self, task: _Task, fallback: str | None, also: AbstractSet[str] = frozenset()) -> Answer:
        """Popular items without the excluded ones; when those are all, without the hidden ones; else any."""
        recommender, user, limit = self._bundles.champion, task.user, task.query.limit
        view = self._catalogue.view(recommender)
        items = popular_items(recommender, view, user, limit, self._excluded(user) | also)
        for excluded in (user.hidden, frozenset[str]()):
            if not items:
                items = popular_items(recommender, view, user, limit, excluded)
                fallback = fallback or "all_seen"
        return make_answer(items, task.variant.name, recommender.version, fallback, user)

    def _filled(
        self, items: list[Item], recommender: Recommender, task: _Task, also: AbstractSet[str] = frozenset()
    ) -> list[Item]:
        """The row, what the user may not see replaced by popular items where retrieval found no others."""
        view, missing = self._catalogue.view(recommender), task.query.limit - len(items)
        if missing <= 0 or not view.restricts:
            return items
        shown = {item["item_id"] for item in items} | also | self._excluded(task.user)
        others = popular_items(recommender, view, task.user, missing, shown)
        return items + [{**item, "rank": rank} for rank, item in enumerate(others, start=len(items) + 1)]

    def _excluded(self, user: UserState) -> AbstractSet[str]:
        """What the row must not show: all the user has seen, or else what they hid and what they just chose."""
        return user.seen if self._exclude_seen else user.hidden | set(user.positives[-1:])


def _state(user: OnlineUser, query: Query, now: datetime) -> UserState:
    asked = query.country if isinstance(query, HomeQuery) else None
    # Under an id that nobody has, nothing that a bundle learned of an erased user is found.
    known_as = ERASED_ID if user.erased else query.user_id or ""
    return UserState(known_as, now, user.history, asked or user.country, user.attributes)
