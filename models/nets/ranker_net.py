"""The ranker for inference on CPU: NumPy in, NumPy out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from models.features import FeatureSpec, ItemFeatures, UserBatch, dense_features, item_side, user_features
from models.model_config import RankerConfig, TableSizes
from models.nets.embedding_tables import lookup_keys
from models.nets.files import describe, fill
from models.nets.jagged import to_kjt
from models.nets.ranker import Ranker, ranker_tables
from models.vocabulary import Rows

RANKER = "ranker.safetensors"


class RankerNet:
    """`weight` is the ranker's share in the final score, learned on validation data."""

    def __init__(self, net: Ranker, weight: float) -> None:
        self._net = net
        self.weight = weight
        self._keys = lookup_keys(net.candidates)

    @classmethod
    def load(cls, folder: Path) -> RankerNet:
        """Read `ranker.safetensors` and its JSON."""
        body = describe(folder, RANKER)
        config, sizes = RankerConfig(**body["config"]), TableSizes(**body["sizes"])
        net = Ranker(ranker_tables(sizes, config, "cpu"), config)
        return cls(fill(net, folder / RANKER), float(body["weight"]))

    @torch.inference_mode()
    def logits(
        self, spec: FeatureSpec, features: ItemFeatures, users: UserBatch, owner: NDArray[np.int64], items: Rows
    ) -> NDArray[np.float32]:
        """[num_pairs] logits: pair p is user `owner[p]` with item row `items[p]`."""
        pooled_users = self._net.look_up(to_kjt(user_features(users, spec.recent_length), self._keys, len(users)))
        pooled_items = self._net.look_up(to_kjt(item_side("item", features, items), self._keys, len(items)))
        dense = torch.from_numpy(dense_features(users.take(owner), features, items))
        user_parts = self._net.user_parts(pooled_users)[torch.from_numpy(owner)]
        logits = self._net.logits(user_parts, self._net.item_parts(pooled_items), dense)
        return np.asarray(logits.numpy(), dtype=np.float32)
