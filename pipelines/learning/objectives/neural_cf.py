"""What NeuMF learns."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from models.model_config import NeuralCFConfig
from models.nets.jagged import to_kjt
from models.nets.neu_mf import CANDIDATES, KEYS, USER, NeuMF, neu_mf_tables
from models.ragged import Jagged
from pipelines.learning.data.examples import Examples
from pipelines.learning.data.held_out import HeldOut
from pipelines.learning.data.known import Known
from pipelines.learning.objectives.example_stream import ExampleStream
from pipelines.learning.objectives.full_ranking import by_batch, values_of_scores
from pipelines.learning.objectives.objective import Inputs, device_of
from pipelines.learning.objectives.unknown_users import unknown_to_some


class NeuralCFObjective(ExampleStream):
    """Logistic loss of a positive against uniform negatives (He et al., 2017, section 3.1.1)."""

    def __init__(self, config: NeuralCFConfig, known: Known) -> None:
        super().__init__(known)
        self._config, self._num_items = config, known.sizes.items

    def build(self, device: str) -> nn.Module:
        """A `NeuMF`."""
        return NeuMF(neu_mf_tables(self._known.sizes, self._config.embedding_dim, device), self._config)

    def inputs(self, batch: Examples, rng: np.random.Generator) -> Inputs:
        """Each example with its own negatives, the positive first."""
        negatives = rng.integers(0, self._num_items, (len(batch), self._config.num_negatives))
        candidates = np.concatenate([batch.items[:, None], negatives], axis=1)
        accidental = torch.from_numpy(negatives == batch.items[:, None])
        users = unknown_to_some(batch.users, self._config.unknown_share, self._known, rng)
        return Inputs(_look_ups(users.user, candidates), {"accidental": accidental})

    def losses(self, net: nn.Module, inputs: Inputs) -> Tensor:
        """Loss of the positive and of its negatives, summed, [batch]; a negative that is the positive is left out."""
        logits = net(inputs.features)
        others = F.softplus(logits[:, 1:]).masked_fill(inputs.tensors["accidental"], 0.0)
        return F.softplus(-logits[:, 0]) + others.sum(1)

    def scores(self, net: Any, held_out: HeldOut, rng: np.random.Generator) -> NDArray[np.float64]:
        """The metric among what each example is ranked against: see `HeldOut`."""
        rows = held_out.examples.users.user
        users = by_batch(len(rows), lambda part: self._found(net, USER, rows[part]))
        items = by_batch(self._num_items, lambda part: self._found(net, CANDIDATES, np.arange(self._num_items)[part]))
        share = net.item_layer(items[:, net.dim :])
        parts = []
        for row, user in enumerate(users):
            scores = net.combine(user, items, share)[None].float().cpu().numpy()
            parts.append(values_of_scores(scores, held_out.take(slice(row, row + 1))))
        return np.concatenate(parts)

    def _found(self, net: Any, key: str, rows: NDArray[np.int64]) -> Tensor:
        """Rows of the table behind a key, [len(rows), 2 × dim]."""
        ones, none = np.ones(len(rows), np.int32), np.zeros(len(rows), np.int32)
        nothing = Jagged(np.zeros(0, np.int64), none)
        looked_up = {USER: nothing, CANDIDATES: nothing} | {key: Jagged(rows, ones)}
        found: Tensor = net.tables(to_kjt(looked_up, KEYS, len(rows)).to(device_of(net)))[key].values()
        return found


def _look_ups(users: NDArray[np.int64], candidates: NDArray[np.int64]) -> Any:
    ones = np.ones(len(users), np.int32)
    columns = {USER: Jagged(users, ones), CANDIDATES: Jagged(candidates.ravel(), ones * candidates.shape[1])}
    return to_kjt(columns, KEYS, len(users))
