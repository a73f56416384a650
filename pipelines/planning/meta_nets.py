"""A recipe's net on the meta device: every shape and no memory, whatever its number of rows."""

from __future__ import annotations

import torch
from torch import nn

from models.model_config import SequenceConfig, TableSizes, TwoTowerConfig
from models.nets.sequence import Sequence, item_table
from models.nets.two_tower import TwoTower
from models.nets.two_tower_inputs import tower_tables
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
