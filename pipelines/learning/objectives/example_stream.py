"""Streaming for nets that learn from one example an event: a user as of an event, and its item."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from pipelines.learning.data.example_pool import ExamplePool, training_users
from pipelines.learning.data.examples import Block, Examples, Expansion, examples_of
from pipelines.learning.data.known import Known
from pipelines.learning.data.shuffling import Pool, shuffled_batches
from pipelines.learning.data.split import TRAIN
from pipelines.learning.objectives.objective import Batching


class ExampleStream:
    """The half of an objective that does not depend on the net."""

    def __init__(self, known: Known) -> None:
        self._known = known

    def stream(self) -> Expansion:
        """Whole sequences: a history is cut when its batch is, and never travels."""
        return training_users, {}

    def batches(self, blocks: Iterator[Block], batching: Batching) -> Iterator[Examples]:
        """Shuffled within a buffer; every example once."""
        return shuffled_batches(
            map(self._pool, blocks), batching.batch_size, batching.shuffle_buffer, batching.seed, *batching.scope
        )

    def blank(self) -> Examples:
        """One user without history, and item 0."""
        zero = np.zeros(1, np.int64)
        history = np.full((1, self._known.spec.history_length), -1)
        return examples_of({"user": zero, "country": zero, "now_us": zero, "item": zero, "history": history})

    def _pool(self, block: Block) -> Pool:
        """The examples of a block that `stream` made."""
        return ExamplePool.of(block, self._known.spec.history_length, TRAIN, self._known.order)
