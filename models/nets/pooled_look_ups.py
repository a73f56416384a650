"""Look-ups of one process: the features that are asked for, and no collection of all of them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from torchrec import EmbeddingBagCollection

from models.ragged import Jagged


class PooledLookUps:
    """The tables of a trained net by feature. A look-up through the collection itself costs an answer a millisecond."""

    def __init__(self, tables: EmbeddingBagCollection) -> None:
        self._table_of: dict[str, Tensor] = {
            name: tables.embedding_bags[table.name].weight
            for table in tables.embedding_bag_configs()
            for name in table.feature_names
        }

    def __call__(self, features: Mapping[str, Jagged]) -> dict[str, Tensor]:
        """Mean-pooled embeddings by feature name, each [batch, dim]; of no values, zeros."""
        return {name: _mean(self._table_of[name], jagged) for name, jagged in features.items()}


def _mean(table: Tensor, jagged: Jagged) -> Tensor:
    starts = np.cumsum(jagged.lengths, dtype=np.int64) - jagged.lengths
    return F.embedding_bag(torch.from_numpy(jagged.values), table, torch.from_numpy(starts), mode="mean")
