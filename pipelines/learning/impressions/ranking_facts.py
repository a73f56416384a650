"""What a ranker learns from, beside the corpus."""

from __future__ import annotations

from dataclasses import dataclass, field

from models.contexts import ContextVocabulary
from pipelines.learning.data.counts_as_of import CountsAsOf


@dataclass(frozen=True, slots=True)
class RankingFacts:
    """`popularity` None: the log has no times, so that only its total is known.

    `from_exposures` False: examples are events with sampled negatives.
    """

    num_examples: int
    from_exposures: bool = False
    popularity: CountsAsOf | None = None
    contexts: ContextVocabulary = field(default_factory=ContextVocabulary)
