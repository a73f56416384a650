"""Source `continue`: what the user has begun to look at and not finished. The one that shows what was seen."""

from __future__ import annotations

import numpy as np

from models.candidates import Candidates
from models.events import EventType
from models.user_state import UserState
from models.vocabulary import Rows
from serve_apps.chain.sources.offer import Offer, Shelf
from serve_apps.chain.sources.source import NUM_OFFERED, Batch

_TITLE = "Continue watching"
_ENDS = frozenset({EventType.PURCHASE, EventType.RATING, EventType.DISLIKE, EventType.HIDE})


class Continue:
    """Reads the history alone; the newest comes first, whatever a ranker would say."""

    name, ranked = "continue", False

    async def offers(self, batch: Batch) -> list[Offer]:
        """Items that were viewed, and not bought, rated, disliked or hidden."""
        return [self._offer(batch, at) for at in range(len(batch.tasks))]

    def _offer(self, batch: Batch, at: int) -> Offer:
        task, view = batch.tasks[at], batch.view
        rows = batch.rows(unfinished(task.user))
        scores = np.linspace(1.0, 0.0, len(rows), endpoint=False, dtype=np.float32)
        # Not `allowed`: the exclusion bars what was seen.
        kept = view.kept(Candidates(rows, scores), task.user, task.fits).head(NUM_OFFERED)

        def reasons(shown: Rows) -> list[str]:
            return [f"Continue: you viewed {view.title(row) or view.id_of(row)}" for row in shown.tolist()]

        return Offer([Shelf(_TITLE, kept, reasons)] if len(kept) else ())


def unfinished(user: UserState) -> list[str]:
    """Items that the user has viewed and not ended, the last viewed first."""
    ended = {event.item_id for event in user.history if event.event_type in _ENDS}
    viewed = [event.item_id for event in reversed(user.history) if event.event_type is EventType.VIEW]
    return [item_id for item_id in dict.fromkeys(viewed) if item_id not in ended]
