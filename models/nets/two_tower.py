"""Two towers: a user vector and an item vector whose inner product ranks the catalogue.

The user is its id, country, profile and pooled history over three horizons (all, recent, last), at a moment; the item
is its id, categories, tags and the words of its title. History and items share one table, so an item learned as a
target is known as history at once (Covington et al., 2016, section 3; Yi et al., 2019). Both sides are L2-normalised
and scaled by the temperature.

A side is the sum of its features, each weighed element by element (as SimpleX gates history and id: Mao et al., 2021,
section 3), and, in a `perceptron` tower, what one hidden layer makes of them all. A weighted sum of embeddings
generalises where a perceptron learns the log by heart (Rendle et al., "Neural Collaborative Filtering vs. Matrix
Factorization Revisited", 2020, section 4).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchrec import EmbeddingBagCollection, KeyedJaggedTensor

from models.model_config import TwoTowerConfig
from models.nets.two_tower_inputs import ITEM_PARTS, TOWER_USER_FEATURES

_KNOWN_AT_ONCE = ("history", "recent", "last", "item")
"""Features that a tower begins with; it takes in the others as far as they turn out to help."""

_LEAST_NORM = 0.01
"""Sums shorter than this stay shorter than the others. A side of which nothing is known begins at zero, where the
gradient of a direction has no bound, and one such example would stall Adam for the whole run.
"""


class TwoTower(nn.Module):
    """The tables and both towers. Look-ups come first, since they are what is sharded; towers are small and dense."""

    def __init__(self, tables: EmbeddingBagCollection, config: TwoTowerConfig) -> None:
        super().__init__()
        self.tables = tables
        self.user_tower = _Tower(TOWER_USER_FEATURES, config)
        self.item_tower = _Tower([f"item{part}" for part in ITEM_PARTS], config)

    def forward(self, features: KeyedJaggedTensor) -> tuple[Tensor, Tensor, Tensor]:
        """Vectors of users, items and negatives, each [batch, dim]."""
        pooled = self.look_up(features)
        return self.user_vectors(pooled), self.item_vectors(pooled), self.item_vectors(pooled, "negative")

    def look_up(self, features: KeyedJaggedTensor) -> dict[str, Tensor]:
        """Mean-pooled embeddings by feature name, each [batch, dim]."""
        pooled: dict[str, Tensor] = self.tables(features).to_dict()
        return pooled

    def user_vectors(self, pooled: dict[str, Tensor]) -> Tensor:
        """[batch, dim]."""
        vectors: Tensor = self.user_tower(torch.stack([pooled[name] for name in TOWER_USER_FEATURES], dim=1))
        return vectors

    def item_vectors(self, pooled: dict[str, Tensor], side: str = "item") -> Tensor:
        """[batch, dim] for one of `ITEM_SIDES`."""
        vectors: Tensor = self.item_tower(torch.stack([pooled[f"{side}{part}"] for part in ITEM_PARTS], dim=1))
        return vectors

    def reads(self, feature: str) -> bool:
        """False for a user feature that no example of the training had: its gate is still as it began."""
        return bool(self.user_tower.gates[TOWER_USER_FEATURES.index(feature)].any())


class _Tower(nn.Module):
    """[batch, num_features, dim] to [batch, dim], each of length 1 / √temperature, or shorter where next to nothing
    is known.
    """

    def __init__(self, features: Sequence[str], config: TwoTowerConfig) -> None:
        super().__init__()
        dim = config.embedding_dim
        begin = torch.tensor([[float(name in _KNOWN_AT_ONCE)] for name in features])
        self.gates = nn.Parameter(begin.repeat(1, dim))
        deep = config.tower == "perceptron"
        self.hidden = _zero_at_first(len(features) * dim, config.hidden_dim, dim) if deep else None
        self.scale = config.temperature**-0.5

    def forward(self, features: Tensor) -> Tensor:
        """The gated sum, the hidden layer's share added."""
        made = (features * self.gates).sum(dim=1)
        if self.hidden is not None:
            made = made + self.hidden(features.flatten(1))
        vectors: Tensor = self.scale * F.normalize(made, dim=1, eps=_LEAST_NORM)
        return vectors


def _zero_at_first(in_dim: int, hidden_dim: int, out_dim: int) -> nn.Sequential:
    """One hidden layer; the last starts at zero so that training begins from the gated sum."""
    last = nn.Linear(hidden_dim, out_dim)
    nn.init.zeros_(last.weight)
    nn.init.zeros_(last.bias)
    return nn.Sequential(nn.Linear(in_dim, hidden_dim), nn.ReLU(), last)
