"""Rank: the caller's own list, in the order that suits the user."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from models.candidates import Candidates
from models.recommender import Recommender
from serve_apps.chain.answers import Answer, Found, found_items, make_answer, personal_reasons
from serve_apps.chain.deadline import Deadline
from serve_apps.chain.messages import RankQuery
from serve_apps.chain.rungs import Cause, Rung
from serve_apps.chain.stages.order import personal_orders
from serve_apps.chain.task import Task
from serve_apps.chain.tools import Tools
from serve_apps.live.item_view import ItemView

_OF_THE_CALLER = "From your list"


class Rank:
    """Answers rank tasks. Nothing is added; what the user may not see is left out, and what no model knows comes last,
    in the caller's order.
    """

    def __init__(self, tools: Tools) -> None:
        self._tools = tools

    async def answer(self, tasks: Sequence[Task[RankQuery]], hydrated: bool, deadline: Deadline) -> list[Answer]:
        """One answer for each task, in order. Of strangers the most popular items come first."""
        recommender = self._tools.bundles.champion
        view = self._tools.catalogue.view(recommender)
        lists = [task.query.item_ids for task in tasks]
        orders = await personal_orders(self._tools, recommender, tasks, lists, deadline)
        with self._tools.frame.timed("select"):
            return [
                make_answer(
                    found_items(view, self._row(recommender, view, task, order, hydrated)), task, recommender.version
                )
                for task, order in zip(tasks, orders, strict=True)
            ]

    def _row(
        self, recommender: Recommender, view: ItemView, task: Task[RankQuery], order: Candidates | None, hydrated: bool
    ) -> list[Found]:
        ids = recommender.items.ids
        if order is not None:
            reasons = personal_reasons(recommender, view, task.user, order.item_rows)
            ranked = [
                Found(ids[row], score, reason, "model")
                for row, score, reason in zip(order.item_rows.tolist(), order.scores.tolist(), reasons, strict=True)
            ]
        elif task.rung is Rung.WITHOUT_RANKING:
            ranked = []
        else:
            task.rung, task.cause = Rung.POPULAR, _why(task, hydrated)
            rows = recommender.rows_in_order(task.query.item_ids)
            counts = recommender.items.counts[rows]
            best = np.argsort(-counts, kind="stable")
            ranked = [Found(ids[rows[at]], float(counts[at]), "Popular", "popularity") for at in best.tolist()]
        given = {one.item_id for one in ranked}
        others = [Found(one, 0.0, _OF_THE_CALLER, "list") for one in task.query.item_ids if one not in given]
        return [one for one in ranked + others if view.allows_id(one.item_id, task.user, task.fits)][: task.query.limit]


def _why(task: Task[RankQuery], hydrated: bool) -> Cause:
    if not hydrated:
        return Cause.STORE_UNAVAILABLE
    return Cause.PERSONALIZATION_OFF if task.refused else Cause.UNKNOWN_USER
