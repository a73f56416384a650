"""Stage: all that is offered to a user in the ranker's order."""

from __future__ import annotations

from collections.abc import Awaitable, Sequence

import numpy as np
from numpy.typing import NDArray

from models.candidates import Candidates
from models.selection.pool import MODEL
from models.vocabulary import Rows
from serve_apps.chain.deadline import Deadline
from serve_apps.chain.frame import Outcome
from serve_apps.chain.rungs import Cause, Rung
from serve_apps.chain.sources.gather import Offers, Sources
from serve_apps.chain.sources.source import Batch
from serve_apps.chain.stages.newcomers import brought_back, standing_in
from serve_apps.chain.together import together
from serve_apps.chain.tools import Tools
from serve_apps.live.item_view import ItemView

_Scored = Outcome[list[Candidates]]


async def ranked(
    tools: Tools, sources: Sources, batch: Batch, offers: Sequence[Offers], deadline: Deadline
) -> list[Offers]:
    """The offers of each task in the ranker's order; as they came when it fails, and the task is told its rung.

    What the model alone has found goes as it always does, with the scores it was found by. The union of several
    sources is scored anew, so that all their items are measured alike. A newcomer is judged as what it is most like.
    """
    alone = [at for at, some in enumerate(offers) if some.keys() == {MODEL}]
    unions = {at: _union(sources, batch.view, some) for at, some in enumerate(offers) if at not in alone}
    several = [at for at, rows in unions.items() if len(rows)]
    parts: list[tuple[list[int], Awaitable[_Scored]]] = []
    if alone:
        found = [offers[at][MODEL].candidates for at in alone]
        parts.append((alone, _of_model(tools, batch.part(alone), found, deadline)))
    if several:
        parts.append((several, _of_unions(tools, batch.part(several), [unions[at] for at in several], deadline)))
    result = list(offers)
    for (places, _), outcome in zip(parts, await together([work for _, work in parts]), strict=True):
        for number, at in enumerate(places):
            if outcome.result is None:
                batch.tasks[at].rung = Rung.WITHOUT_RANKING
                batch.tasks[at].cause = Cause.RANKING_LATE if outcome.late else Cause.RANKING_FAILED
            else:
                result[at] = _rescored(sources, offers[at], outcome.result[number])
    return result


async def _of_model(tools: Tools, batch: Batch, found: Sequence[Candidates], deadline: Deadline) -> _Scored:
    if not deadline.for_stage():  # nothing is begun that nobody can wait for
        return Outcome(late=True)
    stood_in = [standing_in(batch.view, candidates) for candidates in found]
    work = tools.ranking.rank(batch.recommender.version, batch.users, stood_in)
    done = await tools.frame.run("rank", work, deadline)
    return done if done.result is None else Outcome(list(map(brought_back, found, stood_in, done.result)))


async def _of_unions(tools: Tools, batch: Batch, unions: Sequence[Rows], deadline: Deadline) -> _Scored:
    if not deadline.for_stage():  # nothing is begun that nobody can wait for
        return Outcome(late=True)
    stood_in = [batch.view.stand_ins(rows) for rows in unions]
    asked = [np.unique(rows) for rows in stood_in]
    done = await tools.frame.run("rank", tools.ranking.score(batch.recommender.version, batch.users, asked), deadline)
    if done.result is None:
        return done
    scores = [_scores_of(known, scored) for known, scored in zip(stood_in, done.result, strict=True)]
    return Outcome(list(map(Candidates, unions, scores)))


def _scores_of(rows: Rows, scored: Candidates) -> NDArray[np.float32]:
    order = np.argsort(scored.item_rows)
    return scored.scores[order[np.searchsorted(scored.item_rows, rows, sorter=order)]]


def _union(sources: Sources, view: ItemView, offers: Offers) -> Rows:
    """All rows that are offered by sources whose items are ranked, each once, ascending, without newcomers of which
    nobody knows yet what they are like.
    """
    lists = [offer.candidates.item_rows for name, offer in offers.items() if sources.by_name[name].ranked]
    rows = np.unique(np.concatenate([*lists, np.zeros(0, np.int64)]))
    return rows[(rows < view.newcomers.first) | np.isin(rows, view.newcomers.placed.rows)]


def _rescored(sources: Sources, offers: Offers, scored: Candidates) -> Offers:
    order = np.argsort(scored.item_rows)
    rows, scores = scored.item_rows[order], scored.scores[order]
    return {
        name: offer.rescored(rows, scores) if sources.by_name[name].ranked else offer for name, offer in offers.items()
    }
