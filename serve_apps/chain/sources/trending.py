"""Source `trending`: what is trending in the user's country, then everywhere, as the store counts it."""

from __future__ import annotations

import numpy as np

from models.candidates import Candidates
from serve_apps.chain.sources.country_names import country_name
from serve_apps.chain.sources.offer import Offer, local_and_other
from serve_apps.chain.sources.source import Batch
from serve_apps.live.trending import LiveTrending


class Trending:
    """Reads memory alone. A shelf for the country's own list and one for everywhere's."""

    name, ranked = "trending", True

    def __init__(self, trending: LiveTrending) -> None:
        self._trending = trending

    async def offers(self, batch: Batch) -> list[Offer]:
        """A score is a place in the list, from 1 down to 0."""
        return [self._offer(batch, at) for at in range(len(batch.tasks))]

    def _offer(self, batch: Batch, at: int) -> Offer:
        country = batch.tasks[at].user.country
        rows = batch.rows(list(self._trending.top(country)))
        scores = np.linspace(1.0, 0.0, len(rows), endpoint=False, dtype=np.float32)
        own = batch.rows(list(self._trending.in_country(country)))
        kept = batch.allowed(at, Candidates(rows, scores))
        return local_and_other(kept, np.isin(kept.item_rows, own), "Trending", country, country_name(country))
