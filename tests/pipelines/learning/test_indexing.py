"""The index that a run exports is measured on the users who validate, and says so."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from models.features import UserBatch
from models.index.arrays import Vectors
from models.index.vector_index import VectorIndex
from models.retrievers.loading import INDEX_FILE
from pipelines.learning.data.examples import Examples
from pipelines.learning.data.held_out import HeldOut
from pipelines.learning.runs.indexing import save_index
from tests.models.retrievers.user_batches import users

ITEMS = np.random.default_rng(1).normal(size=(51_000, 8)).astype(np.float32)


class Last:
    """A user is the vector of their last item; counts whom it was asked for."""

    def __init__(self) -> None:
        self.num_asked = 0

    def encode(self, batch: UserBatch) -> Vectors:
        self.num_asked += len(batch)
        return ITEMS[batch.history[:, -1]]


@pytest.mark.parametrize("num_held_out", [0, 40, 1_500])
def test_a_large_catalogue_is_measured_and_reported(
    num_held_out: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    encoder, held_out = Last(), None
    if num_held_out:
        batch = users(*([n] for n in range(num_held_out)))
        held_out = HeldOut(Examples(batch, np.zeros(num_held_out, np.int64)), [np.zeros(0, np.int32)] * num_held_out)
    index = save_index(tmp_path, ITEMS, encoder.encode, held_out, seed=3)
    assert encoder.num_asked == min(num_held_out, 1_024)
    said = capsys.readouterr().err
    assert re.search(r"index ivf_sq8 of 51,000 items: recall@100 is (0\.9[5-9]|1\.0)\d+ at \d+ lists a query", said)
    assert index.record == VectorIndex.load(tmp_path / INDEX_FILE).record
