"""Stage: given items in the order that suits each user."""

from __future__ import annotations

from collections.abc import Sequence

from models.candidates import Candidates
from models.recommender import Recommender
from serve_apps.chain.deadline import Deadline
from serve_apps.chain.rungs import Cause, Rung
from serve_apps.chain.task import AnyTask
from serve_apps.chain.tools import Tools


async def personal_orders(
    tools: Tools,
    recommender: Recommender,
    tasks: Sequence[AnyTask],
    item_ids: Sequence[Sequence[str]],
    deadline: Deadline,
) -> list[Candidates | None]:
    """Of each task's items those that the bundle knows, best first; None for a stranger, for who refused, and when
    ranking fails: then the task is told its rung.
    """
    orders: list[Candidates | None] = [None] * len(tasks)
    rows = [recommender.rows_in_order(ids) for ids in item_ids]
    known = [
        at for at, task in enumerate(tasks) if len(rows[at]) and not task.refused and recommender.has_signal(task.user)
    ]
    if not known:
        return orders
    batch = recommender.batch([tasks[at].user for at in known])
    work = tools.ranking.score(recommender.version, batch, [rows[at] for at in known])
    ranked = await tools.frame.run("rank", work, deadline)
    for place, at in enumerate(known):
        if ranked.result is not None:
            orders[at] = ranked.result[place]
        else:
            tasks[at].rung = Rung.WITHOUT_RANKING
            tasks[at].cause = Cause.RANKING_LATE if ranked.late else Cause.RANKING_FAILED
    return orders
