"""The two-tower net as an encoder of users and items, on CPU."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from models.features import FeatureSpec, ItemFeatures, UserBatch
from models.index.arrays import Vectors
from models.model_config import TableSizes, TwoTowerConfig
from models.nets.files import describe, fill
from models.nets.pooled_look_ups import PooledLookUps
from models.nets.two_tower import TwoTower
from models.nets.two_tower_inputs import tower_items, tower_tables, tower_users

TWO_TOWER = "two_tower.safetensors"
_BATCH = 4_096


class TwoTowerEncoder:
    """NumPy in, NumPy out."""

    def __init__(self, net: TwoTower, spec: FeatureSpec) -> None:
        self._net, self._spec = net, spec
        self._look_up = PooledLookUps(net.tables)
        self.reads_profiles = net.reads("profile")
        """True when profiles were trained on: then they say something of a user without a history."""

    @classmethod
    def load(cls, folder: Path, spec: FeatureSpec) -> TwoTowerEncoder:
        """Read `two_tower.safetensors` and its JSON."""
        body = describe(folder, TWO_TOWER)
        config, sizes = TwoTowerConfig(**body["config"]), TableSizes(**body["sizes"])
        net = TwoTower(tower_tables(sizes, config.embedding_dim), config)
        return cls(fill(net, folder / TWO_TOWER), spec)

    @torch.inference_mode()
    def encode(self, users: UserBatch) -> Vectors:
        """[batch, dim]."""
        features = tower_users(users, self._spec.recent_length)
        return np.asarray(self._net.user_vectors(self._look_up(features)).numpy(), dtype=np.float32)

    @torch.inference_mode()
    def encode_items(self, features: ItemFeatures) -> Vectors:
        """Vectors of the whole catalogue in row order, [num_items, dim]."""
        parts = []
        for start in range(0, len(features), _BATCH):
            rows = np.arange(start, min(start + _BATCH, len(features)))
            pooled = self._look_up(tower_items("item", features, rows))
            parts.append(self._net.item_vectors(pooled).numpy())
        return np.concatenate(parts)
