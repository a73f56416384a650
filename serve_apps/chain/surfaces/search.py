"""Search: items whose words answer the question, ordered for the user.

Two orders of the same items become one by reciprocal rank fusion: how well an item answers the question (BM25), and how
well it suits who asks. For a stranger there is only the first.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from models.candidates import Candidates
from models.rank_fusion import reciprocal_rank_fusion
from models.recommender import Recommender
from serve_apps.chain.answers import Answer, Found, found_items, make_answer
from serve_apps.chain.deadline import Deadline
from serve_apps.chain.messages import SearchQuery
from serve_apps.chain.rungs import Cause
from serve_apps.chain.stages.order import personal_orders
from serve_apps.chain.task import Task
from serve_apps.chain.tools import Tools
from serve_apps.live.item_view import ItemView

_NUM_FOUND = 200


class Search:
    """Answers search tasks."""

    def __init__(self, tools: Tools) -> None:
        self._tools = tools

    async def answer(self, tasks: Sequence[Task[SearchQuery]], hydrated: bool, deadline: Deadline) -> list[Answer]:
        """One answer for each task, in order. A question that nothing answers has an empty row: the one that may be."""
        tools = self._tools
        recommender = tools.bundles.champion
        view = tools.catalogue.view(recommender)
        texts = [task.query.text for task in tasks]
        found = await tools.frame.run("text", asyncio.to_thread(self._found, recommender, texts), deadline)
        if found.result is None:
            cause = Cause.RETRIEVAL_LATE if found.late else Cause.RETRIEVAL_FAILED
            return [tools.ladder.trending(task, cause) for task in tasks]
        allowed = [
            [each for each in ids if each not in task.user.hidden and view.allows_id(each, task.user, task.fits)]
            for task, ids in zip(tasks, found.result, strict=True)
        ]
        orders = await personal_orders(tools, recommender, tasks, allowed, deadline)
        with tools.frame.timed("select"):
            return [self._row(recommender, view, *one) for one in zip(tasks, allowed, orders, strict=True)]

    def _found(self, recommender: Recommender, texts: Sequence[str]) -> list[list[str]]:
        index = self._tools.catalogue.texts(recommender)
        return [[item_id for item_id, _ in index.search(text, _NUM_FOUND)] for text in texts]

    def _row(
        self,
        recommender: Recommender,
        view: ItemView,
        task: Task[SearchQuery],
        ids: Sequence[str],
        order: Candidates | None,
    ) -> Answer:
        personal = [] if order is None else [recommender.items.ids[row] for row in order.item_rows]
        scores = list(reciprocal_rank_fusion([ids, personal]).items())[: task.query.limit]
        reason = f"Matches “{task.query.text}”"
        found = [Found(item_id, score, reason, "search") for item_id, score in scores]
        return make_answer(found_items(view, found), task, recommender.version)
