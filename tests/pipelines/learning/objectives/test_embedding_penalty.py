"""The penalty counts each row of a batch once."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from pipelines.learning.examples import examples_of
from pipelines.learning.objectives.embedding_penalty import embedding_penalty, row_shares


def test_a_row_counts_once_however_often_it_is_looked_up() -> None:
    users, items, contexts = np.asarray([0, 0, 1]), np.asarray([[7], [8], [8]]), np.asarray([[0], [0], [0]])
    blank = {"country": np.zeros(3), "now_us": np.zeros(3), "history": np.full((3, 1), -1)}
    examples = examples_of({**blank, "user": users, "item": items[:, 0], "context": contexts})
    user_norms = torch.zeros(3, 6)  # user, country, history, recent, last, one field
    user_norms[:, 0] = torch.tensor([10.0, 10.0, 20.0])
    user_norms[:, 2] = 1_000.0
    user_norms[:, 5] = 4.0
    item_norms = torch.tensor([[1.0], [2.0], [2.0]])
    penalty = embedding_penalty(user_norms, item_norms, row_shares(examples, items))
    # Half of: users 10 + 20, items 1 + 2, context 4; a history is no row of its own.
    assert float(penalty.mean()) == pytest.approx(37 / 2)
