"""What the ranker learns."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from models.features import dense_features, item_side, user_features
from models.model_config import RankerConfig
from models.nets.embedding_tables import lookup_keys
from models.nets.jagged import to_kjt
from models.nets.ranker import Ranker, candidate_names, ranker_tables
from pipelines.learning.examples import Examples
from pipelines.learning.objectives.example_stream import ExampleStream
from pipelines.learning.objectives.objective import HeldOut, Inputs, Known, device_of


class RankerObjective(ExampleStream):
    """Logistic loss of a positive against sampled negatives, half of them drawn by popularity, half uniformly."""

    metric = "auc"

    def __init__(self, config: RankerConfig, known: Known) -> None:
        super().__init__(known)
        self._config, self._features, self._recent = config, known.features, known.spec.recent_length
        self._cumulative = np.cumsum((known.counts + 1.0) / (known.counts + 1.0).sum())
        self._candidates = candidate_names(config.num_negatives)
        self._keys = lookup_keys(self._candidates)

    def build(self, device: str) -> nn.Module:
        """A `Ranker`."""
        return Ranker(ranker_tables(self._known.sizes, self._config, device), self._config)

    def inputs(self, batch: Examples, rng: np.random.Generator) -> Inputs:
        """Each example with its own negatives: [batch, 1 + num_negatives] candidates, the positive first."""
        size = (len(batch), self._config.num_negatives)
        uniform = rng.integers(0, len(self._features), size)
        popular = np.searchsorted(self._cumulative, rng.random(size)).clip(max=len(self._features) - 1)
        negatives = np.where(rng.random(size) < 0.5, uniform, popular)
        items = np.concatenate([batch.items[:, None], negatives], axis=1)
        looked_up = user_features(batch.users, self._recent)
        for column, name in enumerate(self._candidates):
            looked_up |= item_side(name, self._features, items[:, column])
        dense = np.stack(
            [dense_features(batch.users, self._features, items[:, c]) for c in range(items.shape[1])], axis=1
        )
        accidental = torch.from_numpy(negatives == batch.items[:, None])
        tensors: dict[str, Tensor] = {"dense": torch.from_numpy(dense), "accidental": accidental}
        return Inputs(to_kjt(looked_up, self._keys, len(batch)), tensors)

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
        inputs = self.inputs(held_out.examples, rng).to(device_of(net))
        logits = net(inputs.features, inputs.tensors["dense"]).cpu().numpy()
        positive, negatives = logits[:, :1], logits[:, 1:]
        return np.asarray(((positive > negatives) + 0.5 * (positive == negatives)).mean(axis=1), np.float64)
