"""What a ranker learns from, beside the corpus."""

from __future__ import annotations

from dataclasses import dataclass, field

from models.contexts import ContextVocabulary
from pipelines.learning.data.counts_as_of import CountsAsOf


@dataclass(frozen=True, slots=True)
class RankingFacts:
    """`popularity` None: the log has no times, or all of one moment, so that only its total is known.

    `from_exposures` False: examples are events with sampled negatives.
    """

    num_examples: int
    from_exposures: bool = False
    popularity: CountsAsOf | None = None
    contexts: ContextVocabulary = field(default_factory=ContextVocabulary)

    @property
    def knows_popularity(self) -> bool:
        """False when popularity would tell a label: an exposure's own click is one of its item's total."""
        return self.popularity is not None or not self.from_exposures
