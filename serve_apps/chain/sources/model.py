"""Source `model`: what the bundle's retriever finds for each user, and the best of what came after the bundle."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence
from functools import partial

import numpy as np

from models.candidates import Candidates
from models.index.packed_rows import PackedRows
from serve_apps.chain.answers import personal_reasons
from serve_apps.chain.sources.offer import Offer, Shelf
from serve_apps.chain.sources.source import Batch
from serve_apps.chain.stages.newcomers import joined, new_candidates
from serve_apps.chain.stages.retrieve import allowed_candidates
from serve_apps.chain.tools import Tools

TITLE = "Top picks for you"
_SHARE = 0.5
"""Of the time there is, what newcomers may take: what the retriever has found does not wait for them to the end."""


class Model:
    """Asks the retrieval tier. Newcomers that fail or are late cost themselves alone."""

    name, ranked = "model", True

    def __init__(self, tools: Tools) -> None:
        self._tools = tools

    async def offers(self, batch: Batch) -> list[Offer]:
        """Nobody is offered anything whom the bundle knows nothing of."""
        found = allowed_candidates(batch.view, batch.tasks, partial(self._ask, batch))
        whole = await (self._with_newcomers(batch, found) if len(batch.view.newcomers.placed) else found)
        return [
            Offer([Shelf(TITLE, some, partial(personal_reasons, batch.recommender, batch.view, task.user))])
            for task, some in zip(batch.tasks, whole, strict=True)
        ]

    async def _with_newcomers(self, batch: Batch, search: Awaitable[list[Candidates]]) -> list[Candidates]:
        work = new_candidates(self._tools, batch.recommender, batch.tasks, batch.users)
        found, new = await asyncio.gather(search, self._tools.frame.run("newcomers", work, batch.deadline, _SHARE))
        return found if new.result is None else list(map(joined, found, new.result))

    async def _ask(
        self, batch: Batch, at: Sequence[int], k: int, allowed: Sequence[PackedRows | None]
    ) -> list[Candidates]:
        users = batch.users if len(at) == len(batch.tasks) else batch.users.take(np.asarray(at))
        barred = [batch.barred[place] for place in at]
        return await self._tools.retrieval.retrieve(batch.recommender.version, users, k, barred, allowed)
