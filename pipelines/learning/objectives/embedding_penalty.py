"""L2 of the embeddings that a batch touches, each row once a batch however often it is looked up.

The mean over look-ups would hardly hold a rare row, which is the one that overfits. Rows that the batch does not touch
are left alone, so that it costs the same for tables of any size and sharding.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.features import USER_FEATURES
from pipelines.learning.examples import Examples


def row_shares(examples: Examples, items: NDArray[np.int64]) -> dict[str, Tensor]:
    """What `embedding_penalty` weighs norms by: batch size over how often the batch looks the row up.

    `items`: [batch, num_candidates] rows. Histories and categories are means over other rows and weigh nothing.
    """
    batch = len(examples)
    single = {"user": examples.users.user, "country": examples.users.country}
    columns = [_shares(single[name], batch) if name in single else np.zeros(batch) for name in USER_FEATURES]
    columns += [_shares(column, batch) for column in examples.extra.get("context", np.zeros((batch, 0))).T]
    return {
        "user_shares": torch.from_numpy(np.stack(columns, axis=1)).float(),
        "item_shares": torch.from_numpy(_shares(items, batch)).float(),
    }


def embedding_penalty(user_norms: Tensor, item_norms: Tensor, shares: dict[str, Tensor]) -> Tensor:
    """[batch] whose mean is half the squared norm of the rows touched.

    `user_norms`: [batch, num_user_parts], `item_norms`: [batch, num_candidates], both squared.
    """
    users, items = user_norms * shares["user_shares"], item_norms * shares["item_shares"]
    penalty: Tensor = (users.sum(1) + items.sum(1)) / 2
    return penalty


def _shares(rows: NDArray[np.generic], batch: int) -> NDArray[np.float64]:
    _, at, counts = np.unique(rows, return_inverse=True, return_counts=True)
    return np.asarray(batch / counts[at.reshape(rows.shape)], np.float64)
