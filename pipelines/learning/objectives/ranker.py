"""What the ranker learns from events: a positive against sampled negatives."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from models.features import dense_features, item_side, user_features
from models.model_config import RankerConfig
from models.nets.jagged import to_kjt
from models.nets.ranker import HEADS, NOTHING, Ranker, candidate_names, ranker_keys, ranker_tables
from pipelines.learning.data.examples import Examples
from pipelines.learning.data.held_out import HeldOut
from pipelines.learning.data.known import Known
from pipelines.learning.objectives.example_stream import ExampleStream
from pipelines.learning.objectives.heads import head_losses
from pipelines.learning.objectives.objective import Inputs, device_of

_CLICK = HEADS.index("click")


class RankerObjective(ExampleStream):
    """Logistic loss of a positive against sampled negatives, half of them drawn by popularity, half uniformly.

    Any positive event counts as a click: the only head that is learned.
    """

    def __init__(self, config: RankerConfig, known: Known) -> None:
        super().__init__(known)
        self._config, self._features, self._recent = config, known.features, known.spec.recent_length
        self._cumulative = np.cumsum((known.counts + 1.0) / (known.counts + 1.0).sum())
        self._candidates = candidate_names(config.num_negatives)
        self._keys = ranker_keys(0, self._candidates)

    def build(self, device: str) -> nn.Module:
        """A `Ranker`."""
        tables = ranker_tables(self._known.sizes, self._config, device, self._candidates)
        return Ranker(tables, self._config, 0, self._candidates)

    def blank(self) -> Examples:
        """One user without history, and item 0, marked as nothing."""
        blank = super().blank()
        return Examples(blank.users, blank.items, {"nothing": np.ones(1, np.bool_)})

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
        popularity = log_popularity(self._known, items, batch.users.now_us[:, None])
        dense = np.stack(
            [dense_features(batch.users, self._features, items[:, c], popularity[:, c]) for c in range(items.shape[1])],
            axis=1,
        )
        labels = torch.full((*items.shape, len(HEADS)), torch.nan)
        labels[:, 0, _CLICK] = 1.0
        # A negative that is the positive has no label.
        labels[:, 1:, _CLICK] = torch.from_numpy(np.where(negatives == batch.items[:, None], np.nan, 0.0)).float()
        tensors: dict[str, Tensor] = {
            "dense": torch.from_numpy(dense),
            "labels": labels,
            "positions": torch.full(items.shape, NOTHING if "nothing" in batch.extra else 0),
        }
        return Inputs(to_kjt(looked_up, self._keys, len(batch)), tensors)

    def losses(self, net: nn.Module, inputs: Inputs) -> Tensor:
        """Mean logistic loss over each example's candidates, [batch]."""
        return head_losses(logits_of(net, inputs), inputs.tensors["labels"])

    def scores(self, net: Any, held_out: HeldOut, rng: np.random.Generator) -> NDArray[np.float64]:
        """Share of an example's sampled negatives that score below its positive; a tie counts half."""
        inputs = self.inputs(held_out.examples, rng).to(device_of(net))
        final = net.final(logits_of(net, inputs)).cpu().numpy()
        positive, negatives = final[:, :1], final[:, 1:]
        return np.asarray(((positive > negatives) + 0.5 * (positive == negatives)).mean(axis=1), np.float64)


def logits_of(net: Any, inputs: Inputs) -> Tensor:
    """[batch, num_candidates, num_heads]."""
    logits: Tensor = net(inputs.features, inputs.tensors["dense"], inputs.tensors["positions"])
    return logits


def log_popularity(known: Known, items: NDArray[np.int64], now_us: NDArray[np.int64]) -> NDArray[np.float32]:
    """Of each item as of each moment, where the log has times; the arrays broadcast. 0 where it would tell a label."""
    if known.ranking is None:
        return known.features.log_popularity[items]
    if not known.ranking.knows_popularity:
        return np.zeros(np.broadcast_shapes(items.shape, now_us.shape), np.float32)
    as_of = known.ranking.popularity
    return known.features.log_popularity[items] if as_of is None else as_of.log_counts(items, now_us)
