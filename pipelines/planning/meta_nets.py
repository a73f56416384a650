"""A recipe's net on the meta device: every shape and no memory, whatever its number of rows."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from models.model_config import SequenceConfig, TableSizes, TwoTowerConfig
from models.nets.sequence import NEGATIVE, Sequence, item_table
from models.nets.two_tower import TwoTower
from models.nets.two_tower_inputs import tower_tables
from models.profiles import MAX_ATTRIBUTES
from models.title_words import MAX_WORDS
from pipelines.recipes import Recipe


def meta_net(recipe: Recipe, num_users: int, num_items: int) -> nn.Module:
    """The net that training would build for that many users and items; its `tables` are what is sharded."""
    spec, config = recipe.features, recipe.model
    sizes = TableSizes.of(spec, num_users, num_items)
    with torch.device("meta"):
        if isinstance(config, TwoTowerConfig):
            return TwoTower(tower_tables(sizes, config.embedding_dim, "meta"), config)
        assert isinstance(config, SequenceConfig)
        return Sequence(item_table(sizes.items, config.embedding_dim, "meta"), config, spec.history_length)


def table_configs(net: nn.Module) -> list[Any]:
    """TorchRec's configuration of each table."""
    tables: Any = net.tables
    return list(tables.embedding_bag_configs() if isinstance(net, TwoTower) else tables.embedding_configs())


def look_ups(recipe: Recipe, feature: str) -> float:
    """The most rows that one example looks up for a feature; what is shared by a batch counts by its share."""
    spec, config = recipe.features, recipe.model
    if isinstance(config, SequenceConfig):  # an example is one step of a window
        return config.num_negatives / recipe.training.batch_size if feature == NEGATIVE else 1.0
    most = {
        "history": spec.history_length,
        "recent": spec.recent_length,
        "moment": 2,
        "profile": MAX_ATTRIBUTES,
        "item_words": MAX_WORDS,
        "negative_words": MAX_WORDS,
    }
    return float(most.get(feature, 1))
