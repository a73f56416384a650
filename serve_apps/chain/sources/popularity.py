"""Source `popularity`: the popular items of the bundle, of the user's country, then of everywhere."""

from __future__ import annotations

from models.candidates import Candidates
from serve_apps.chain.sources.country_names import country_name
from serve_apps.chain.sources.offer import Offer, local_and_other
from serve_apps.chain.sources.source import Batch


class Popular:
    """Reads memory alone. A shelf for the country's own list and one for everywhere's."""

    name, ranked = "popularity", False

    async def offers(self, batch: Batch) -> list[Offer]:
        """In the order of the lists."""
        return [self._offer(batch, at) for at in range(len(batch.tasks))]

    def _offer(self, batch: Batch, at: int) -> Offer:
        country = batch.tasks[at].user.country
        kept = batch.allowed(at, Candidates(*batch.recommender.popularity.top(country)))
        local = batch.recommender.popularity.in_country(country, kept.item_rows)
        return local_and_other(kept, local, "Popular", country, country_name(country))
