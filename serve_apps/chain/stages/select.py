"""Stage: from what was found for a user to the ordered list, by the rules of the variant and of the request.

With no rules the list is the head of what was found, and nothing else is read.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from models.candidates import Candidates
from models.recommender import Recommender
from models.seeds import derive_seed
from models.selection import NO_CONTROL, NO_RULES, PLAIN, Listing, Needs, Pool, needs, select
from models.vocabulary import Rows
from serve_apps.chain.deadline import RESERVE_S, Deadline
from serve_apps.chain.exclusion import Exclusion
from serve_apps.chain.frame import Frame, Outcome
from serve_apps.chain.task import AnyTask
from serve_apps.live.item_view import ItemView

_OF_RESERVE = 0.5
"""Rules may use so much of what is kept for the last steps: they are one, and ranking may have used all the rest."""


def choose(
    recommender: Recommender,
    view: ItemView,
    exclusion: Exclusion,
    task: AnyTask,
    lists: Mapping[str, Candidates],
    length: int,
) -> Listing:
    """At most `length` items of the lists, each once. `lists`: by source, best first, all of them the user's to see.

    What is pinned or promoted stands only where the user may see it and it is not kept from them; on that and on its
    place the rules of `models/selection` hold.
    """
    rules, control = task.variant.selection, task.control
    asked = needs(rules.config, control)
    placed = _placed(view, exclusion, task, asked.item_ids)
    pool, vectors = _pool(lists, placed), None
    if asked.vectors:
        vectors = recommender.item_vectors(view.stand_ins(pool.item_rows))
    config = replace(rules.config, diversity=None) if asked.vectors and vectors is None else rules.config
    pool = _filled(pool, recommender, view, task, asked, vectors)
    seed = derive_seed(0, task.recommendation_id) if config.exploration else 0
    chosen = select(pool, length, config, control, now_us=task.user.now_us, seed=seed)
    return Listing.of(chosen, explored=config.exploration is not None)


def has_rules(task: AnyTask) -> bool:
    """Whether anything but relevance orders the task's row."""
    return task.control != NO_CONTROL or task.variant.selection.config != PLAIN


def without_rules(task: AnyTask) -> AnyTask:
    """The same task, whose list is the head of what was found."""
    return replace(task, variant=replace(task.variant, selection=NO_RULES), control=NO_CONTROL)


async def in_time(
    frame: Frame, works: Mapping[int, Callable[[], Listing]], deadline: Deadline
) -> tuple[dict[int, Listing], Outcome[bool]]:
    """The lists that were chosen in time, by key; in a thread, since rules take milliseconds a row."""
    until, done = Deadline(deadline.at + _OF_RESERVE * RESERVE_S), dict[int, Listing]()

    def work() -> bool:
        for at, make in works.items():
            if not until.for_stage():  # nothing is begun that nobody can wait for
                break
            done[at] = make()
        return True

    outcome = await frame.run("rules", asyncio.to_thread(work), until)
    return dict(done), outcome


def _placed(view: ItemView, exclusion: Exclusion, task: AnyTask, item_ids: Sequence[str]) -> dict[str, int]:
    """Rows of the items that may be placed by hand."""
    if not item_ids:
        return {}
    kept_from_them = exclusion.of(task.user)
    rows = {item_id: view.row_of(item_id) for item_id in item_ids if item_id not in kept_from_them}
    known = {item_id: row for item_id, row in rows.items() if row is not None}
    allowed = view.allows(np.asarray(list(known.values()), np.int64), task.user, task.fits)
    return {item_id: row for (item_id, row), may in zip(known.items(), allowed.tolist(), strict=True) if may}


def _pool(lists: Mapping[str, Candidates], placed: Mapping[str, int]) -> Pool:
    if not placed:
        source, candidates = next(iter(lists.items()))
        return Pool.merged(lists) if len(lists) > 1 else Pool.of(candidates, source=source)
    found = {row for candidates in lists.values() for row in candidates.item_rows.tolist()}
    others = np.asarray([row for row in placed.values() if row not in found], np.int64)
    pool = Pool.merged(lists, others)
    first: dict[int, int] = {}
    for entry, row in enumerate(pool.item_rows.tolist()):
        first.setdefault(row, entry)
    return replace(pool, places={item_id: first[row] for item_id, row in placed.items()})


def _filled(
    pool: Pool,
    recommender: Recommender,
    view: ItemView,
    task: AnyTask,
    asked: Needs,
    vectors: NDArray[np.float32] | None,
) -> Pool:
    """With what the rules read."""
    if not (asked.vectors or asked.categories or asked.published or asked.filters):
        return pool
    rows = pool.item_rows
    return replace(
        pool,
        vectors=vectors,
        categories=[view.categories(row) for row in rows.tolist()] if asked.categories else None,
        published_us=_published_us(recommender, rows) if asked.published else None,
        passes={text: view.passing(rows, task.passes[text]) for text in asked.filters},
    )


def _published_us(recommender: Recommender, rows: Rows) -> NDArray[np.int64]:
    """UTC microseconds; -1 where it is not known, as of an item that came after the bundle."""
    times = np.full(len(rows), -1, np.int64)
    known = rows < len(recommender.items)
    times[known] = recommender.items.released_us[rows[known]]
    return times
