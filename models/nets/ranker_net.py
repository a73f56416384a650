"""The ranker for inference on CPU: NumPy in, NumPy out."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from models.contexts import ContextVocabulary
from models.features import (
    FeatureSpec,
    ItemFeatures,
    UserBatch,
    context_features,
    dense_features,
    item_side,
    user_features,
)
from models.histories import newest
from models.model_config import HeadWeights, RankerConfig, TableSizes
from models.nets.files import describe, fill
from models.nets.pooled_look_ups import PooledLookUps
from models.nets.ranker import Ranker, ranker_tables
from models.vocabulary import Rows

RANKER = "ranker.safetensors"


class RankerNet:
    """`weight` is the ranker's share in the final score, learned on validation data.

    `spec`: the features it was trained with. Beside a retriever of another history it has its own length.
    `knows_popularity` False: it was trained with a popularity of 0, and is always given that.
    """

    def __init__(
        self, net: Ranker, spec: FeatureSpec, weight: float, contexts: ContextVocabulary, knows_popularity: bool = True
    ) -> None:
        self._net = net
        self.spec = spec
        self.weight = weight
        self.contexts = contexts
        self._knows_popularity = knows_popularity
        self._look_up = PooledLookUps(net.tables)

    @classmethod
    def load(cls, folder: Path, spec: FeatureSpec) -> RankerNet:
        """Read `ranker.safetensors` and its JSON; `spec` is for a JSON of before it had one: its retriever's."""
        body = describe(folder, RANKER)
        config, sizes = read_config(body["config"]), TableSizes(**body["sizes"])
        net = Ranker(ranker_tables(sizes, config, "cpu"), config, sizes.context_fields)
        contexts = ContextVocabulary(**body.get("contexts", {}))
        own = FeatureSpec(**body["features"]) if "features" in body else spec
        knows_popularity = bool(body.get("knows_popularity", True))
        return cls(fill(net, folder / RANKER), own, float(body["weight"]), contexts, knows_popularity)

    @torch.inference_mode()
    def logits(
        self,
        features: ItemFeatures,
        users: UserBatch,
        owner: NDArray[np.int64],
        items: Rows,
        *,
        contexts: NDArray[np.int32] | None = None,
        log_popularity: NDArray[np.float32] | None = None,
    ) -> NDArray[np.float32]:
        """[num_pairs] final logits: pair p is user `owner[p]` with item row `items[p]`.

        `users` have at least the ranker's own history; what is older is not looked at.
        `contexts`: [num_users, num_fields] rows of `self.contexts`; without it every look-up of context is empty.
        `log_popularity`: see `dense_features`.
        """
        users = newest(users, self.spec.history_length)
        if not self._knows_popularity:
            log_popularity = np.zeros(len(items), np.float32)
        if contexts is None:
            contexts = np.full((len(users), len(self.contexts.fields)), -1, np.int32)
        user_side = {**user_features(users, self.spec.recent_length), **context_features(contexts)}
        user_parts = self._net.user_parts(self._look_up(user_side))[torch.from_numpy(owner)]
        item_parts = self._net.item_parts(self._look_up(item_side("item", features, items)))
        dense = torch.from_numpy(dense_features(users, features, items, log_popularity, owner))
        logits = self._net.final(self._net.logits(user_parts, item_parts, dense))
        return np.asarray(logits.numpy(), dtype=np.float32)


def read_config(values: Mapping[str, Any]) -> RankerConfig:
    """The configuration that `asdict` made plain data of."""
    return RankerConfig(**{**values, "head_weights": HeadWeights(**values.get("head_weights", {}))})
