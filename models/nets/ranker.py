"""The ranker: a DLRM (Naumov et al., 2019, section 2.1) over user, candidate item and dense features.

Embeddings and the bottom layer's output meet in all pairwise dot products; a top layer turns those into
one logit a candidate. In training an example carries its positive and `num_negatives` sampled negatives, each a
look-up of its own name, so that the user side is looked up once.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torchrec import EmbeddingBagCollection, KeyedJaggedTensor

from models.features import NUM_DENSE, USER_FEATURES
from models.model_config import RankerConfig, TableSizes
from models.nets.embedding_tables import embedding_tables

_NUM_VECTORS = len(USER_FEATURES) + 3  # user side, item, categories, dense
_NUM_PAIRS = _NUM_VECTORS * (_NUM_VECTORS - 1) // 2


def candidate_names(num_negatives: int) -> tuple[str, ...]:
    """Look-up names of an example's candidates, the positive first."""
    return ("item", *(f"negative_{i}" for i in range(num_negatives)))


def ranker_tables(sizes: TableSizes, config: RankerConfig, device: str) -> EmbeddingBagCollection:
    """Tables with one item look-up for each candidate of an example."""
    return embedding_tables(sizes, config.embedding_dim, candidate_names(config.num_negatives), device)


class Ranker(nn.Module):
    """`forward` scores every candidate of every example: [batch, num_candidates] logits."""

    def __init__(self, tables: EmbeddingBagCollection, config: RankerConfig) -> None:
        super().__init__()
        dim, hidden = config.embedding_dim, config.hidden_dim
        self.tables = tables
        self.candidates = candidate_names(config.num_negatives)
        self.bottom = nn.Sequential(nn.Linear(NUM_DENSE, hidden), nn.ReLU(), nn.Linear(hidden, dim))
        self.top = nn.Sequential(
            nn.Linear(_NUM_PAIRS + dim, hidden), nn.ReLU(), nn.Linear(hidden, hidden), nn.ReLU(), nn.Linear(hidden, 1)
        )
        self._left: Tensor
        self._right: Tensor
        left, right = torch.triu_indices(_NUM_VECTORS, _NUM_VECTORS, offset=1).unbind()
        self.register_buffer("_left", left, persistent=False)
        self.register_buffer("_right", right, persistent=False)

    def forward(self, features: KeyedJaggedTensor, dense: Tensor) -> Tensor:
        """`dense`: [batch, num_candidates, NUM_DENSE]."""
        pooled = self.look_up(features)
        batch, num = dense.shape[:2]
        users = self.user_parts(pooled)[:, None].expand(-1, num, -1, -1)
        items = torch.stack([self.item_parts(pooled, name) for name in self.candidates], dim=1)
        logits = self.logits(users.flatten(0, 1), items.flatten(0, 1), dense.flatten(0, 1))
        return logits.view(batch, num)

    def look_up(self, features: KeyedJaggedTensor) -> dict[str, Tensor]:
        """Mean-pooled embeddings by feature name, each [batch, dim]."""
        pooled: dict[str, Tensor] = self.tables(features).to_dict()
        return pooled

    def user_parts(self, pooled: dict[str, Tensor]) -> Tensor:
        """[batch, len(USER_FEATURES), dim]."""
        return torch.stack([pooled[name] for name in USER_FEATURES], dim=1)

    def item_parts(self, pooled: dict[str, Tensor], name: str = "item") -> Tensor:
        """[batch, 2, dim]: the item and its categories."""
        return torch.stack([pooled[name], pooled[f"{name}_categories"]], dim=1)

    def logits(self, users: Tensor, items: Tensor, dense: Tensor) -> Tensor:
        """[pairs] logits from `user_parts`, `item_parts` and [pairs, NUM_DENSE] dense features."""
        bottom = self.bottom(dense)
        vectors = torch.cat([users, items, bottom[:, None]], dim=1)
        products = torch.bmm(vectors, vectors.transpose(1, 2))[:, self._left, self._right]
        scores: Tensor = self.top(torch.cat([products, bottom], dim=1)).squeeze(1)
        return scores
