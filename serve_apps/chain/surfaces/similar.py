"""Similar: items like one item, by what people do with both and by what they are.

Two lists become one by reciprocal rank fusion: the model's neighbours, and the items whose title and categories say
the same. An item that was put a minute ago has the second list at once, and is in those of others.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from functools import partial

from models.candidates import Candidates
from models.index.packed_rows import PackedRows
from models.rank_fusion import reciprocal_rank_fusion
from models.recommender import Recommender
from serve_apps.chain.answers import Answer, Found, found_items, make_answer
from serve_apps.chain.deadline import Deadline
from serve_apps.chain.messages import SimilarQuery
from serve_apps.chain.rungs import Cause, Rung
from serve_apps.chain.stages.retrieve import allowed_candidates
from serve_apps.chain.task import Task
from serve_apps.chain.tools import Tools
from serve_apps.live.item_view import ItemView

_SimilarTask = Task[SimilarQuery]
_NUM_ALIKE = 50
"""Items by text that join the model's."""


class Similar:
    """Answers tasks of similar items."""

    def __init__(self, tools: Tools) -> None:
        self._tools = tools

    async def answer(self, tasks: Sequence[_SimilarTask], hydrated: bool, deadline: Deadline) -> list[Answer]:
        """One answer for each task, in order."""
        tools = self._tools
        recommender = tools.bundles.champion
        view = tools.catalogue.view(recommender)
        ids = [task.query.item_id for task in tasks]
        ask = partial(self._neighbours, recommender.version, ids)
        found, alike = await asyncio.gather(
            tools.frame.run("retrieve", allowed_candidates(view, tasks, ask), deadline),
            tools.frame.run("text", asyncio.to_thread(self._alike, recommender, view, ids), deadline),
        )
        answers = []
        with tools.frame.timed("select"):
            for at, task in enumerate(tasks):
                if not hydrated and task.query.user_id:  # what they hid is not known
                    answers.append(tools.ladder.trending(task, Cause.STORE_UNAVAILABLE, {task.query.item_id}))
                    continue
                near = (
                    [] if found.result is None else [recommender.items.ids[row] for row in found.result[at].item_rows]
                )
                fused = reciprocal_rank_fusion([near, alike.result[at] if alike.result else []])
                if not found.ok:
                    task.rung = Rung.CONTENT
                    task.cause = Cause.RETRIEVAL_LATE if found.late else Cause.RETRIEVAL_FAILED
                answers.append(self._row(recommender, view, task, fused))
        return answers

    async def _neighbours(
        self, version: str, ids: Sequence[str], at: Sequence[int], k: int, allowed: Sequence[PackedRows | None]
    ) -> list[Candidates]:
        return await self._tools.retrieval.similar(version, [ids[n] for n in at], k, allowed)

    def _alike(self, recommender: Recommender, view: ItemView, ids: Sequence[str]) -> list[list[str]]:
        """Ids of items whose words are those of each item, best first, itself left out."""
        index = self._tools.catalogue.texts(recommender)
        words = [view.words(item_id) for item_id in ids]
        return [
            [found for found, _ in index.search(text, _NUM_ALIKE + 1) if found != item_id] if text else []
            for item_id, text in zip(ids, words, strict=True)
        ]

    def _row(self, recommender: Recommender, view: ItemView, task: _SimilarTask, fused: Mapping[str, float]) -> Answer:
        asked, user = task.query.item_id, task.user
        hidden = user.hidden | {asked}
        shown = [
            Found(item_id, score, f"Similar to {view.title_of(asked) or asked}", "similar")
            for item_id, score in fused.items()
            if item_id not in hidden and view.allows_id(item_id, user, task.fits)
        ][: task.query.limit]
        if not shown:
            cause = Cause.NOTHING_FOUND if view.knows(asked) else Cause.UNKNOWN_ITEM
            return self._tools.ladder.trending(task, task.cause or cause, {asked})
        items = self._tools.ladder.filled(found_items(view, shown), recommender, task, {asked})
        return make_answer(items, task, recommender.version)
