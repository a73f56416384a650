"""Stage: candidates that the users may see, asked for more widely while too few are left."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from models.candidates import Candidates
from models.recommender import NUM_CANDIDATES
from serve_apps.chain.task import AnyTask
from serve_apps.live.item_view import ItemView

_ENOUGH = NUM_CANDIDATES // 2
"""Candidates that a user has to be left with once those they may not see are out."""
_WIDEN, _MAX_CANDIDATES = 8, 64 * NUM_CANDIDATES
"""How many times as many are asked for then, and at most; popular items fill what is missing still."""


async def allowed_candidates(
    view: ItemView, tasks: Sequence[AnyTask], ask: Callable[[int], Awaitable[list[Candidates]]]
) -> list[Candidates]:
    """What `ask` finds for as many candidates as it is told, without what a task's user may not see."""
    k = NUM_CANDIDATES
    while True:
        found = await ask(k)
        kept = [view.kept(whole, task.user, task.fits) for task, whole in zip(tasks, found, strict=True)]
        short = any(
            # Fewer than were asked for are all there are.
            len(few) < len(whole) == k and len(few) < max(_ENOUGH, task.query.limit)
            for task, few, whole in zip(tasks, kept, found, strict=True)
        )
        if not short or k >= _MAX_CANDIDATES:
            return [candidates.head(NUM_CANDIDATES) for candidates in kept]
        k *= _WIDEN
