"""Two towers: a user vector and an item vector whose inner product ranks the catalogue.

The user is its id, country and pooled history over three horizons (all, recent, last); the item is its id and
categories. History and items share one table, so an item learned as a target is known as history at once
(Covington et al., 2016, section 3; Yi et al., 2019). Both sides are L2-normalised and scaled by the temperature.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchrec import EmbeddingBagCollection, EmbeddingBagConfig, KeyedJaggedTensor, PoolingType

from models.features import USER_FEATURES

ITEM_SIDES = ("item", "negative")
KEYS = (*USER_FEATURES, *(f"{side}{part}" for side in ITEM_SIDES for part in ("", "_categories")))


@dataclass(frozen=True, slots=True)
class TwoTowerConfig:
    """Width of the tables and of the hidden layer of each tower, and the softmax temperature."""

    embedding_dim: int = 64
    hidden_dim: int = 128
    temperature: float = 0.08


@dataclass(frozen=True, slots=True)
class TableSizes:
    """Rows of each embedding table."""

    users: int
    items: int
    countries: int
    categories: int


def embedding_tables(sizes: TableSizes, dim: int, device: str = "cpu") -> EmbeddingBagCollection:
    """The tables; item rows serve the item itself, the negative and every horizon of the history."""
    history = ["history", "recent", "last"]
    features = {
        "user_table": (sizes.users, ["user"]),
        "item_table": (sizes.items, [*ITEM_SIDES, *history]),
        "country_table": (sizes.countries, ["country"]),
        "category_table": (sizes.categories, [f"{side}_categories" for side in ITEM_SIDES]),
    }
    scale = dim**-0.5
    return EmbeddingBagCollection(
        device=torch.device(device),
        tables=[
            EmbeddingBagConfig(
                name=name,
                num_embeddings=rows,
                embedding_dim=dim,
                feature_names=names,
                pooling=PoolingType.MEAN,
                weight_init_min=-scale,
                weight_init_max=scale,
            )
            for name, (rows, names) in features.items()
        ],
    )


class TwoTower(nn.Module):
    """`forward` gives the pooled look-ups by feature, each [batch, dim]; the towers turn them into vectors."""

    def __init__(self, tables: EmbeddingBagCollection, config: TwoTowerConfig) -> None:
        super().__init__()
        dim = config.embedding_dim
        self.tables = tables
        self.user_tower = _Tower(len(USER_FEATURES) * dim, config.hidden_dim, dim)
        self.item_tower = _Tower(2 * dim, config.hidden_dim, dim)
        self.scale = config.temperature**-0.5

    def forward(self, features: KeyedJaggedTensor) -> dict[str, Tensor]:
        """Pooled embeddings by feature name, each [batch, dim]."""
        pooled: dict[str, Tensor] = self.tables(features).to_dict()
        return pooled

    def user_vectors(self, pooled: dict[str, Tensor]) -> Tensor:
        """[batch, dim]; the residual path starts every user at the mean of their horizons."""
        parts = [pooled[name] for name in USER_FEATURES]
        base = (pooled["history"] + pooled["recent"] + pooled["last"]) / 3
        return self.scale * F.normalize(base + self.user_tower(torch.cat(parts, dim=1)), dim=1)

    def item_vectors(self, pooled: dict[str, Tensor], side: str = "item") -> Tensor:
        """[batch, dim] for one of `ITEM_SIDES`."""
        item, categories = pooled[side], pooled[f"{side}_categories"]
        return self.scale * F.normalize(item + self.item_tower(torch.cat([item, categories], dim=1)), dim=1)


class _Tower(nn.Sequential):
    """One hidden layer; the last starts at zero so that training begins from the residual path."""

    def __init__(self, in_dim: int, hidden_dim: int, out_dim: int) -> None:
        last = nn.Linear(hidden_dim, out_dim)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
        super().__init__(nn.Linear(in_dim, hidden_dim), nn.ReLU(), last)
