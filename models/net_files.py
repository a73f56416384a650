"""The nets of a bundle on disk (safetensors beside a JSON of their widths) and in memory for inference on CPU."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from models.embedding_tables import embedding_tables, lookup_keys
from models.errors import BundleError
from models.features import FeatureSpec, ItemFeatures, UserBatch, dense_features, item_side, user_features
from models.index import Vectors
from models.jagged import to_kjt
from models.net_config import RankerConfig, TableSizes, TwoTowerConfig
from models.ranker import Ranker, ranker_tables
from models.two_tower import ITEM_SIDES, TwoTower
from models.vocabulary import Rows

Net = TypeVar("Net", bound=nn.Module)

TWO_TOWER = "two_tower.safetensors"
RANKER = "ranker.safetensors"
_BATCH = 4_096


def save_net(
    folder: Path, file: str, config: Any, sizes: TableSizes, weights: Mapping[str, Tensor], **extra: float
) -> None:
    """Write weights and, beside them, what is needed to build the net again."""
    save_file({name: tensor.contiguous() for name, tensor in weights.items()}, folder / file)
    body = {"config": asdict(config), "sizes": asdict(sizes), **extra}
    (folder / file).with_suffix(".json").write_text(json.dumps(body, indent=2, sort_keys=True))


class TwoTowerNet:
    """The two-tower net for inference."""

    def __init__(self, net: TwoTower) -> None:
        self._net = net.eval()
        self._keys = lookup_keys(ITEM_SIDES)

    @classmethod
    def load(cls, folder: Path) -> TwoTowerNet:
        """Read `two_tower.safetensors` and its JSON."""
        body = _describe(folder, TWO_TOWER)
        config, sizes = TwoTowerConfig(**body["config"]), TableSizes(**body["sizes"])
        net = TwoTower(embedding_tables(sizes, config.embedding_dim, ITEM_SIDES), config)
        return cls(_fill(net, folder / TWO_TOWER))

    @torch.inference_mode()
    def user_vectors(self, spec: FeatureSpec, users: UserBatch) -> Vectors:
        """[batch, dim]."""
        features = user_features(users, spec.recent_length)
        pooled = self._net.look_up(to_kjt(features, self._keys, len(users)))
        return np.asarray(self._net.user_vectors(pooled).numpy(), dtype=np.float32)

    @torch.inference_mode()
    def item_vectors(self, features: ItemFeatures) -> Vectors:
        """Vectors of the whole catalogue in row order, [num_items, dim]."""
        parts = []
        for start in range(0, len(features), _BATCH):
            rows = np.arange(start, min(start + _BATCH, len(features)))
            pooled = self._net.look_up(to_kjt(item_side("item", features, rows), self._keys, len(rows)))
            parts.append(self._net.item_vectors(pooled).numpy())
        return np.concatenate(parts)


class RankerNet:
    """The ranker for inference. `weight` is its share in the final score, learned on validation data."""

    def __init__(self, net: Ranker, weight: float) -> None:
        self._net = net.eval()
        self.weight = weight
        self._keys = lookup_keys(net.candidates)

    @classmethod
    def load(cls, folder: Path) -> RankerNet:
        """Read `ranker.safetensors` and its JSON."""
        body = _describe(folder, RANKER)
        config, sizes = RankerConfig(**body["config"]), TableSizes(**body["sizes"])
        net = Ranker(ranker_tables(sizes, config, "cpu"), config)
        return cls(_fill(net, folder / RANKER), float(body["weight"]))

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


def _describe(folder: Path, file: str) -> dict[str, Any]:
    return dict(json.loads((folder / file).with_suffix(".json").read_bytes()))


def _fill(net: Net, path: Path) -> Net:
    try:
        net.load_state_dict(load_file(path))
    except (RuntimeError, SafetensorError) as error:
        raise BundleError(f"weights {path.name} do not fit their net. Publish the bundle again.") from error
    return net
