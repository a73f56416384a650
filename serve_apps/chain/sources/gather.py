"""Asks sources side by side. Each runs in the frame, so that one that fails, hangs or is late costs itself alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from models.recommender import Recommender
from models.selection.pool import MODEL
from serve_apps.chain.deadline import Deadline
from serve_apps.chain.frame import Outcome
from serve_apps.chain.sources.co_visited import CoVisited
from serve_apps.chain.sources.content import Content
from serve_apps.chain.sources.continuing import Continue
from serve_apps.chain.sources.followed import Followed
from serve_apps.chain.sources.model import Model
from serve_apps.chain.sources.new import New
from serve_apps.chain.sources.offer import Offer
from serve_apps.chain.sources.popularity import Popular
from serve_apps.chain.sources.source import Batch, HomeTask, Source
from serve_apps.chain.sources.trending import Trending
from serve_apps.chain.together import together
from serve_apps.chain.tools import Tools

_STAGES = {MODEL: "retrieve"}
"""Stages that are not called as their source is."""
_SHARE = 0.5
"""Of the time there is, what a source may take beside the model: the ranker must have enough behind it."""

Offers = dict[str, Offer]


@dataclass(frozen=True, slots=True)
class Gathered:
    """`offers`: of each task by source, in the order in which they were wanted, those with an item. `model`: how the
    retrieval went, None when nobody wanted it.
    """

    offers: list[Offers]
    model: Outcome[list[Offer]] | None


class Sources:
    """All there are, by name."""

    def __init__(self, tools: Tools) -> None:
        self._tools = tools
        sources: Sequence[Source] = (
            Model(tools),
            CoVisited(tools.retrieval),
            Content(tools.catalogue),
            Trending(tools.trending),
            New(),
            Continue(),
            Followed(),
            Popular(),
        )
        self.by_name: Mapping[str, Source] = {source.name: source for source in sources}

    def batch(self, recommender: Recommender, tasks: Sequence[HomeTask], deadline: Deadline) -> Batch:
        """Tasks of a bundle."""
        return Batch(recommender, self._tools.catalogue.view(recommender), tasks, self._tools.exclusion, deadline)

    async def gather(self, batch: Batch, wanted: Sequence[Sequence[str]]) -> Gathered:
        """What the sources offer. `wanted`: names of those that each task wants."""
        names = list(dict.fromkeys(name for some in wanted for name in some))
        who = {name: [at for at, some in enumerate(wanted) if name in some] for name in names}
        asked = await together([self._ask(name, batch.part(who[name])) for name in names])
        outcomes = dict(zip(names, asked, strict=True))
        by_task: list[Offers] = [{} for _ in wanted]
        for name, outcome in outcomes.items():
            for at, offer in zip(who[name], outcome.result or (), strict=outcome.ok):
                if offer.shelves and len(offer.candidates):
                    by_task[at][name] = offer
        in_order = [
            {name: found[name] for name in some if name in found} for some, found in zip(wanted, by_task, strict=True)
        ]
        return Gathered(in_order, outcomes.get(MODEL))

    async def _ask(self, name: str, batch: Batch) -> Outcome[list[Offer]]:
        share = 1.0 if name == MODEL else _SHARE
        work = self.by_name[name].offers(batch)
        return await self._tools.frame.run(_STAGES.get(name, name), work, batch.deadline, share)
