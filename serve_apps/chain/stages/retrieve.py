"""Stage: candidates that the users may see.

Where most may be seen, some more are asked for and the others taken out here: a mask costs its bytes on the way, and
reading it costs more than comparing a few rows in vain. Where few may, or too few are left, a mask goes into the
search.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Sequence

from models.candidates import Candidates
from models.index.packed_rows import PackedRows
from models.recommender import NUM_CANDIDATES
from serve_apps.chain.task import AnyTask
from serve_apps.live.item_view import ItemView

_MOST = 0.5
"""Where so many may be seen, asking for some more candidates costs less than a mask, in bytes and in time."""
_ENOUGH = NUM_CANDIDATES // 2
"""Candidates that a user has to be left with once those they may not see are out."""
_WIDER = 1.25
"""By chance, a user is left with fewer than the share of what may be seen says."""

Ask = Callable[[Sequence[int], int, Sequence[PackedRows | None]], Awaitable[list[Candidates]]]
"""Candidates of the tasks at these places, so many for each, of the rows that each may have (None: any)."""


async def allowed_candidates(view: ItemView, tasks: Sequence[AnyTask], ask: Ask) -> list[Candidates]:
    """At most `NUM_CANDIDATES` for each task of what its user may see and what passes its filter, best first."""
    everybody = list(range(len(tasks)))
    if not view.restricts and all(task.fits is None for task in tasks):
        return await ask(everybody, NUM_CANDIDATES, [None] * len(tasks))
    shares = [view.share(task.fits) for task in tasks]
    masks: list[PackedRows | None] = [None] * len(tasks)
    few = [at for at, share in enumerate(shares) if share < _MOST]
    for at, mask in zip(few, await _masks(view, tasks, few), strict=True):
        masks[at], shares[at] = (mask if mask.share < _MOST else None), mask.share
    least = min((share for share, mask in zip(shares, masks, strict=True) if mask is None), default=None)
    k = NUM_CANDIDATES if least is None else math.ceil(_WIDER * NUM_CANDIDATES / least)
    found = await ask(everybody, k, masks)
    kept = [view.kept(whole, task.user, task.fits) for task, whole in zip(tasks, found, strict=True)]
    short = [
        at
        for at, (task, some, whole) in enumerate(zip(tasks, kept, found, strict=True))
        # Fewer than were asked for are all there are.
        if masks[at] is None and len(some) < len(whole) == k and len(some) < max(_ENOUGH, task.query.limit)
    ]
    if short:
        exact = await ask(short, NUM_CANDIDATES, await _masks(view, tasks, short))
        for at, whole in zip(short, exact, strict=True):
            kept[at] = view.kept(whole, tasks[at].user, tasks[at].fits)
    return [candidates.head(NUM_CANDIDATES) for candidates in kept]


async def _masks(view: ItemView, tasks: Sequence[AnyTask], at: Sequence[int]) -> list[PackedRows]:
    """Of the tasks at these places; in a thread, since one that is not held takes milliseconds."""
    if not at:
        return []
    return await asyncio.to_thread(lambda: [view.mask(tasks[place].user, tasks[place].fits) for place in at])
