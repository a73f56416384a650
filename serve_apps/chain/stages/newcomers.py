"""Stage: items that came after the bundle was made, by what each user likes."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from models.candidates import Candidates
from models.features import UserBatch
from models.recommender import NUM_CANDIDATES, Recommender
from serve_apps.chain.task import AnyTask
from serve_apps.chain.tools import Tools
from serve_apps.live.item_view import ItemView
from serve_apps.live.placed import Placed

NUM_NEW = 20
"""Newcomers among the candidates of a user, at most: a thousand that are alike do not drive out everything else."""


async def new_candidates(
    tools: Tools, recommender: Recommender, tasks: Sequence[AnyTask], batch: UserBatch, k: int = NUM_NEW
) -> list[Candidates]:
    """For each task the `k` best newcomers that its user may see and has not done with, under rows of the `ItemView`.

    `batch`: the users of the tasks, in order. Scores are on the scale of the retriever's. Nothing is asked of anybody
    while there are no newcomers.
    """
    view = tools.catalogue.view(recommender)
    placed = view.newcomers.placed
    if not len(placed):
        return [Candidates.empty() for _ in tasks]
    if placed.vectors is None:
        placed = placed.newest
    scores = await _scores(tools, recommender.version, batch, placed)
    barred = [view.newcomers.rows(tools.exclusion.of(task.user)) for task in tasks]
    users, fits = [task.user for task in tasks], [task.fits for task in tasks]
    # In a thread: the first question with a filter matches every newcomer.
    found = await asyncio.to_thread(placed.best, scores, k, users, fits, barred)
    # What has left, or is restricted, since places were worked out.
    return [view.kept(each, task.user, task.fits) for each, task in zip(found, tasks, strict=True)]


async def _scores(tools: Tools, version: str, batch: UserBatch, placed: Placed) -> NDArray[np.float32]:
    """[batch, num_placed]; -inf where nothing speaks for or against: no vector, or nothing of what it is like."""
    if placed.vectors is None:
        near = await tools.retrieval.scores(version, batch, placed.near)
        scores = placed.means(near)
        scores[placed.means(np.abs(near)) == 0] = -np.inf
        return scores
    vectors = await tools.retrieval.user_vectors(version, batch)
    scores = vectors @ placed.vectors.T
    scores[~vectors.any(axis=1)] = -np.inf
    return np.asarray(scores, np.float32)


def joined(candidates: Candidates, new: Candidates) -> Candidates:
    """Both by score, as many as are ranked; of newcomers those that are better than what would otherwise be last."""
    if not len(new):
        return candidates
    rows = np.concatenate([candidates.item_rows, new.item_rows])
    both = Candidates(rows, np.concatenate([candidates.scores, new.scores]))
    return both.reordered(both.scores).head(NUM_CANDIDATES)


def standing_in(view: ItemView, candidates: Candidates) -> Candidates:
    """The same for a ranker that knows the bundle's rows alone: a newcomer is judged as what it is most like."""
    return Candidates(view.stand_ins(candidates.item_rows), candidates.scores)


def brought_back(candidates: Candidates, stood_in: Candidates, ranked: Candidates) -> Candidates:
    """`ranked`, an order of `stood_in`, under the rows of `candidates`.

    A ranker adds the same to all of one row, so those keep the order that their scores had.
    """
    if stood_in.item_rows is candidates.item_rows:
        return ranked
    order = np.argsort(-stood_in.scores, kind="stable")
    behind: dict[int, list[int]] = {}
    for row, own in zip(stood_in.item_rows[order].tolist(), candidates.item_rows[order].tolist(), strict=True):
        behind.setdefault(row, []).append(own)
    rows = [behind[row].pop(0) for row in ranked.item_rows.tolist()]
    return Candidates(np.asarray(rows, np.int64), ranked.scores)
