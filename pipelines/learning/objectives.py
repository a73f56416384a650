"""What each net learns, behind one small interface: its inputs from examples, its loss, and its validation ranks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F
from torchrec import KeyedJaggedTensor

from models.embedding_tables import embedding_tables, lookup_keys
from models.features import ItemFeatures, dense_features, item_side, user_features
from models.jagged import to_kjt
from models.net_config import RankerConfig, TableSizes, TwoTowerConfig
from models.ranker import Ranker, candidate_names, ranker_tables
from models.sampled_softmax import expected_counts, sampled_softmax
from models.two_tower import ITEM_SIDES, TwoTower
from pipelines.learning.examples import Examples


@dataclass(frozen=True, slots=True)
class Inputs:
    """One batch as tensors: `tensors` are what `forward` takes beside the look-ups and what the loss needs."""

    features: KeyedJaggedTensor
    tensors: dict[str, Tensor]

    def to(self, device: torch.device) -> Inputs:
        """The batch on a device."""
        return Inputs(self.features.to(device), {name: t.to(device) for name, t in self.tensors.items()})


@dataclass(frozen=True, slots=True)
class HeldOut:
    """Validation examples; `seen[i]`: item rows that example i must not be ranked against."""

    examples: Examples
    seen: list[NDArray[np.int32]]


class Objective(Protocol):
    """The training loop knows nothing of a net but this."""

    metric: str
    """Name of the validation score; higher is better."""

    def build(self, device: str) -> nn.Module:
        """The net; its tables may lie on the meta device until they are sharded."""

    def inputs(self, examples: Examples, rng: np.random.Generator) -> Inputs:
        """Tensors of a batch, negatives drawn from `rng`."""

    def losses(self, net: nn.Module, inputs: Inputs) -> Tensor:
        """Loss of each example, [batch]."""

    def scores(self, net: Any, held_out: HeldOut, rng: np.random.Generator) -> NDArray[np.float64]:
        """Validation score of each held-out example. Look-ups are collective: every worker passes as many."""


class TwoTowerObjective:
    """Sampled softmax over in-batch and as many uniform negatives, logQ-corrected."""

    metric = "ndcg@10"

    def __init__(
        self,
        config: TwoTowerConfig,
        sizes: TableSizes,
        features: ItemFeatures,
        counts: NDArray[np.int64],
        recent_length: int,
    ) -> None:
        self._config, self._sizes, self._features, self._recent = config, sizes, features, recent_length
        smoothed = counts + 1.0
        self._share = torch.from_numpy(smoothed / smoothed.sum()).float()
        self._keys = lookup_keys(ITEM_SIDES)

    def build(self, device: str) -> nn.Module:
        """A `TwoTower`."""
        return TwoTower(embedding_tables(self._sizes, self._config.embedding_dim, ITEM_SIDES, device), self._config)

    def inputs(self, examples: Examples, rng: np.random.Generator) -> Inputs:
        """One uniform negative comes with each example; all of them serve the whole batch."""
        negatives = rng.integers(0, len(self._features), len(examples))
        looked_up = {
            **user_features(examples.users, self._recent),
            **item_side("item", self._features, examples.items),
            **item_side("negative", self._features, negatives),
        }
        log_expected = torch.log(expected_counts(self._share, len(examples), len(examples)))
        rows = {"positive": torch.from_numpy(examples.items), "negative": torch.from_numpy(negatives)}
        return Inputs(to_kjt(looked_up, self._keys, len(examples)), {**rows, "log_expected": log_expected})

    def losses(self, net: nn.Module, inputs: Inputs) -> Tensor:
        """Cross entropy, [batch]."""
        users, items, negatives = net(inputs.features)
        t = inputs.tensors
        return sampled_softmax(users, items, negatives, t["positive"], t["negative"], t["log_expected"])

    def scores(self, net: Any, held_out: HeldOut, rng: np.random.Generator) -> NDArray[np.float64]:
        """NDCG@10 over the full catalogue, seen items masked."""
        users = _by_batch(len(held_out.examples), lambda part: self._users(net, held_out.examples.take(part)))
        items = _by_batch(len(self._features), lambda part: self._items(net, np.arange(len(self._features))[part]))
        scores = (users @ items.T).cpu().numpy()
        for row, seen in enumerate(held_out.seen):
            scores[row, seen] = -np.inf
        target = scores[np.arange(len(scores)), held_out.examples.items]
        # A tie counts against the model, and so does NaN; the target itself is not above itself.
        ranks = (~(scores < target[:, None])).sum(axis=1) - 1
        return np.where(ranks < 10, 1.0 / np.log2(ranks + 2.0), 0.0)

    def _users(self, net: Any, examples: Examples) -> Tensor:
        features = to_kjt(user_features(examples.users, self._recent), self._keys, len(examples))
        vectors: Tensor = net.user_vectors(net.look_up(features.to(_device(net))))
        return vectors

    def _items(self, net: Any, rows: NDArray[np.int64]) -> Tensor:
        features = to_kjt(item_side("item", self._features, rows), self._keys, len(rows))
        vectors: Tensor = net.item_vectors(net.look_up(features.to(_device(net))))
        return vectors


class RankerObjective:
    """Logistic loss of a positive against sampled negatives, half of them drawn by popularity, half uniformly."""

    metric = "auc"

    def __init__(
        self,
        config: RankerConfig,
        sizes: TableSizes,
        features: ItemFeatures,
        counts: NDArray[np.int64],
        recent_length: int,
    ) -> None:
        self._config, self._sizes, self._features, self._recent = config, sizes, features, recent_length
        self._cumulative = np.cumsum((counts + 1.0) / (counts + 1.0).sum())
        self._candidates = candidate_names(config.num_negatives)
        self._keys = lookup_keys(self._candidates)

    def build(self, device: str) -> nn.Module:
        """A `Ranker`."""
        return Ranker(ranker_tables(self._sizes, self._config, device), self._config)

    def inputs(self, examples: Examples, rng: np.random.Generator) -> Inputs:
        """Each example with its own negatives: [batch, 1 + num_negatives] candidates, the positive first."""
        size = (len(examples), self._config.num_negatives)
        uniform = rng.integers(0, len(self._features), size)
        popular = np.searchsorted(self._cumulative, rng.random(size)).clip(max=len(self._features) - 1)
        negatives = np.where(rng.random(size) < 0.5, uniform, popular)
        items = np.concatenate([examples.items[:, None], negatives], axis=1)
        looked_up = user_features(examples.users, self._recent)
        for column, name in enumerate(self._candidates):
            looked_up |= item_side(name, self._features, items[:, column])
        dense = np.stack(
            [dense_features(examples.users, self._features, items[:, c]) for c in range(items.shape[1])], axis=1
        )
        accidental = torch.from_numpy(negatives == examples.items[:, None])
        tensors: dict[str, Tensor] = {"dense": torch.from_numpy(dense), "accidental": accidental}
        return Inputs(to_kjt(looked_up, self._keys, len(examples)), tensors)

    def losses(self, net: nn.Module, inputs: Inputs) -> Tensor:
        """Mean logistic loss over each example's candidates, [batch]; a negative that is the positive is left out."""
        logits = net(inputs.features, inputs.tensors["dense"])
        labels = torch.zeros_like(logits)
        labels[:, 0] = 1.0
        losses = F.binary_cross_entropy_with_logits(logits, labels, reduction="none")
        weights = torch.ones_like(losses)
        weights[:, 1:] = (~inputs.tensors["accidental"]).float()
        return (losses * weights).sum(1) / weights.sum(1)

    def scores(self, net: Any, held_out: HeldOut, rng: np.random.Generator) -> NDArray[np.float64]:
        """Share of an example's sampled negatives that score below its positive; a tie counts half."""
        inputs = self.inputs(held_out.examples, rng).to(_device(net))
        logits = net(inputs.features, inputs.tensors["dense"]).cpu().numpy()
        positive, negatives = logits[:, :1], logits[:, 1:]
        return np.asarray(((positive > negatives) + 0.5 * (positive == negatives)).mean(axis=1), np.float64)


def _by_batch(total: int, vectors: Callable[[slice], Tensor], size: int = 4_096) -> Tensor:
    return torch.cat([vectors(slice(start, min(start + size, total))) for start in range(0, total, size)])


def _device(net: nn.Module) -> torch.device:
    return next(net.parameters()).device


def metric_of(config: TwoTowerConfig | RankerConfig) -> str:
    """Name of a model's validation score."""
    return TwoTowerObjective.metric if isinstance(config, TwoTowerConfig) else RankerObjective.metric


def make_objective(config: TwoTowerConfig | RankerConfig, *args: Any) -> Objective:
    """The objective of a model configuration."""
    if isinstance(config, TwoTowerConfig):
        return TwoTowerObjective(config, *args)
    return RankerObjective(config, *args)
