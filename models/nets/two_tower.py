"""Two towers: a user vector and an item vector whose inner product ranks the catalogue.

The user is its id, country and pooled history over three horizons (all, recent, last); the item is its id and
categories. History and items share one table, so an item learned as a target is known as history at once
(Covington et al., 2016, section 3; Yi et al., 2019). Both sides are L2-normalised and scaled by the temperature.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchrec import EmbeddingBagCollection, KeyedJaggedTensor

from models.features import USER_FEATURES
from models.model_config import TwoTowerConfig

ITEM_SIDES = ("item", "negative")


class TwoTower(nn.Module):
    """The tables and both towers. Look-ups come first, since they are what is sharded; towers are small and dense."""

    def __init__(self, tables: EmbeddingBagCollection, config: TwoTowerConfig) -> None:
        super().__init__()
        dim = config.embedding_dim
        self.tables = tables
        self.user_tower = _Tower(len(USER_FEATURES) * dim, config.hidden_dim, dim)
        self.item_tower = _Tower(2 * dim, config.hidden_dim, dim)
        self.scale = config.temperature**-0.5

    def forward(self, features: KeyedJaggedTensor) -> tuple[Tensor, Tensor, Tensor]:
        """Vectors of users, items and negatives, each [batch, dim]."""
        pooled = self.look_up(features)
        return self.user_vectors(pooled), self.item_vectors(pooled), self.item_vectors(pooled, "negative")

    def look_up(self, features: KeyedJaggedTensor) -> dict[str, Tensor]:
        """Mean-pooled embeddings by feature name, each [batch, dim]."""
        pooled: dict[str, Tensor] = self.tables(features).to_dict()
        return pooled

    def user_vectors(self, pooled: dict[str, Tensor]) -> Tensor:
        """[batch, dim]; the residual path starts every user at the mean of their horizons."""
        parts = [pooled[name] for name in USER_FEATURES]
        horizons = torch.stack([pooled[name] for name in ("history", "recent", "last")])
        # Mean of those that say something: an untimed history is neither recent nor last, a newcomer's is empty.
        base = horizons.sum(0) / horizons.detach().ne(0).any(-1, keepdim=True).sum(0).clamp(min=1)
        vectors: Tensor = self.scale * F.normalize(base + self.user_tower(torch.cat(parts, dim=1)), dim=1)
        return vectors

    def item_vectors(self, pooled: dict[str, Tensor], side: str = "item") -> Tensor:
        """[batch, dim] for one of `ITEM_SIDES`."""
        item, categories = pooled[side], pooled[f"{side}_categories"]
        vectors: Tensor = self.scale * F.normalize(item + self.item_tower(torch.cat([item, categories], dim=1)), dim=1)
        return vectors


class _Tower(nn.Sequential):
    """One hidden layer; the last starts at zero so that training begins from the residual path."""

    def __init__(self, in_dim: int, hidden_dim: int, out_dim: int) -> None:
        last = nn.Linear(hidden_dim, out_dim)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
        super().__init__(nn.Linear(in_dim, hidden_dim), nn.ReLU(), last)
