"""The two-tower net as an encoder of users and items, on CPU."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from models.features import FeatureSpec, ItemFeatures, UserBatch, item_side, user_features
from models.index import Vectors
from models.model_config import TableSizes, TwoTowerConfig
from models.nets.embedding_tables import embedding_tables, lookup_keys
from models.nets.files import describe, fill
from models.nets.jagged import to_kjt
from models.nets.two_tower import ITEM_SIDES, TwoTower

TWO_TOWER = "two_tower.safetensors"
_BATCH = 4_096


class TwoTowerEncoder:
    """NumPy in, NumPy out."""

    def __init__(self, net: TwoTower, spec: FeatureSpec) -> None:
        self._net, self._spec = net, spec
        self._keys = lookup_keys(ITEM_SIDES)

    @classmethod
    def load(cls, folder: Path, spec: FeatureSpec) -> TwoTowerEncoder:
        """Read `two_tower.safetensors` and its JSON."""
        body = describe(folder, TWO_TOWER)
        config, sizes = TwoTowerConfig(**body["config"]), TableSizes(**body["sizes"])
        net = TwoTower(embedding_tables(sizes, config.embedding_dim, ITEM_SIDES), config)
        return cls(fill(net, folder / TWO_TOWER), spec)

    @torch.inference_mode()
    def encode(self, users: UserBatch) -> Vectors:
        """[batch, dim]."""
        features = user_features(users, self._spec.recent_length)
        pooled = self._net.look_up(to_kjt(features, self._keys, len(users)))
        return np.asarray(self._net.user_vectors(pooled).numpy(), dtype=np.float32)

    @torch.inference_mode()
    def encode_items(self, features: ItemFeatures) -> Vectors:
        """Vectors of the whole catalogue in row order, [num_items, dim]."""
        parts = []
        for start in range(0, len(features), _BATCH):
            rows = np.arange(start, min(start + _BATCH, len(features)))
            pooled = self._net.look_up(to_kjt(item_side("item", features, rows), self._keys, len(rows)))
            parts.append(self._net.item_vectors(pooled).numpy())
        return np.concatenate(parts)
