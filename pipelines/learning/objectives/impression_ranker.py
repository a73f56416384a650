"""What the ranker learns from exposures: each item that was shown, and what was done with it."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from models.features import context_features, dense_features, item_side, user_features
from models.model_config import RankerConfig
from models.nets.jagged import to_kjt
from models.nets.ranker import HEADS, NOTHING, Ranker, ranker_keys, ranker_tables
from pipelines.learning.data.examples import Block, Examples, Expansion, examples_of
from pipelines.learning.data.held_out import HeldOut
from pipelines.learning.data.known import Known
from pipelines.learning.data.split import TRAIN
from pipelines.learning.impressions.examples import expanded_impressions
from pipelines.learning.objectives.example_stream import ExampleStream
from pipelines.learning.objectives.heads import head_labels, head_losses, main_head, placements
from pipelines.learning.objectives.objective import Inputs, device_of
from pipelines.learning.objectives.ranker import log_popularity, logits_of

_EXAMPLES_AT_A_TIME = 8_192


class ImpressionRankerObjective(ExampleStream):
    """The sum of the heads' logistic losses over impressions, the position of each in a tower of its own.

    The tower takes what of a click is owed to the place, and serving leaves it out (Zhao et al., 2019, section 4.2).
    Positions are dropped at random (`position_dropout`), so that the rest of the net learns to do without.
    """

    def __init__(self, config: RankerConfig, known: Known) -> None:
        super().__init__(known)
        self._config, self._features, self._recent = config, known.features, known.spec.recent_length
        self._num_fields = known.sizes.context_fields
        self._keys = ranker_keys(self._num_fields)

    def build(self, device: str) -> nn.Module:
        """A `Ranker` of one candidate an example."""
        return Ranker(ranker_tables(self._known.sizes, self._config, device), self._config, self._num_fields)

    def stream(self) -> Expansion:
        """One example an impression: what a ranker sees of a user is small beside what it sees of that."""
        return expanded_impressions, {"history_length": self._known.spec.history_length, "part": TRAIN}

    def blank(self) -> Examples:
        """One impression without a label."""
        blank = super().blank()
        extra: dict[str, NDArray[Any]] = {
            "position": np.full(1, NOTHING),
            "targets": np.full((1, len(HEADS)), np.nan, np.float32),
            "context": np.full((1, self._num_fields), -1, np.int32),
        }
        return Examples(blank.users, blank.items, extra)

    def inputs(self, batch: Examples, rng: np.random.Generator) -> Inputs:
        """[batch, 1] candidates, some of their positions dropped."""
        kept = rng.random(len(batch)) >= self._config.position_dropout
        shown = batch.extra["position"]
        positions = np.where(kept, 1 + shown.clip(max=self._config.num_positions - 1), 0)
        return self._inputs(batch, np.where(shown == NOTHING, NOTHING, positions))

    def losses(self, net: nn.Module, inputs: Inputs) -> Tensor:
        """Sum of the heads' logistic losses, [batch]."""
        return head_losses(logits_of(net, inputs), inputs.tensors["labels"])

    def scores(self, net: Any, held_out: HeldOut, rng: np.random.Generator) -> NDArray[np.float64]:
        """Placements of the final logit, positions unknown, by the label of the main head; their mean is the AUC."""
        examples, parts = held_out.examples, []
        for start in range(0, len(examples), _EXAMPLES_AT_A_TIME):
            part = examples.take(slice(start, start + _EXAMPLES_AT_A_TIME))
            inputs = self._inputs(part, np.zeros(len(part), np.int64)).to(device_of(net))
            parts.append(net.final(logits_of(net, inputs))[:, 0].cpu().numpy())
        labels = head_labels(examples.extra["targets"], self._config)[:, main_head(self._config)].numpy()
        known = ~np.isnan(labels)
        placed = placements(np.concatenate(parts)[known], labels[known] > 0)
        scores = np.full(len(labels), placed.mean() if len(placed) else 0.5)
        scores[known] = placed
        return scores

    def _pool(self, block: Block) -> Examples:
        return examples_of(block)

    def _inputs(self, batch: Examples, positions: NDArray[np.int64]) -> Inputs:
        looked_up = {**user_features(batch.users, self._recent), **item_side("item", self._features, batch.items)}
        if self._num_fields:
            looked_up |= context_features(batch.extra["context"])
        popularity = log_popularity(self._known, batch.items, batch.users.now_us)
        dense = dense_features(batch.users, self._features, batch.items, popularity)
        tensors: dict[str, Tensor] = {
            "dense": torch.from_numpy(dense)[:, None],
            "labels": head_labels(batch.extra["targets"], self._config)[:, None],
            "positions": torch.from_numpy(positions)[:, None],
        }
        return Inputs(to_kjt(looked_up, self._keys, len(batch)), tensors)
