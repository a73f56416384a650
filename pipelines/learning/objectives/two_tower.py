"""What the two-tower net learns."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from models.model_config import TwoTowerConfig
from models.nets.jagged import to_kjt
from models.nets.sampled_softmax import accidental_hits, expected_counts, sampled_softmax
from models.nets.two_tower import TwoTower
from models.nets.two_tower_inputs import TOWER_KEYS, tower_items, tower_tables, tower_users
from pipelines.learning.data.examples import Examples
from pipelines.learning.data.held_out import HeldOut
from pipelines.learning.data.known import Known
from pipelines.learning.objectives.example_stream import ExampleStream
from pipelines.learning.objectives.full_ranking import by_batch, values_of_vectors
from pipelines.learning.objectives.objective import Inputs, device_of
from pipelines.learning.objectives.unknown_users import unknown_to_some


class TwoTowerObjective(ExampleStream):
    """Sampled softmax over in-batch and as many uniform negatives, logQ-corrected."""

    def __init__(self, config: TwoTowerConfig, known: Known) -> None:
        super().__init__(known)
        self._config, self._features, self._recent = config, known.features, known.spec.recent_length
        smoothed = known.counts + 1.0
        self._share = torch.from_numpy(smoothed / smoothed.sum()).float()

    def build(self, device: str) -> nn.Module:
        """A `TwoTower`."""
        return TwoTower(tower_tables(self._known.sizes, self._config.embedding_dim, device), self._config)

    def inputs(self, batch: Examples, rng: np.random.Generator) -> Inputs:
        """One uniform negative comes with each example; all of them serve the whole batch."""
        negatives = rng.integers(0, len(self._features), len(batch))
        users = unknown_to_some(batch.users, self._config.unknown_share, self._known, rng)
        looked_up = {
            **tower_users(users, self._recent),
            **tower_items("item", self._features, batch.items),
            **tower_items("negative", self._features, negatives),
        }
        rows = torch.from_numpy(np.concatenate([batch.items, negatives]))
        counts = expected_counts(self._share[rows], len(batch), len(batch), len(self._share))
        tensors = {"hits": accidental_hits(rows, len(batch)), "log_expected": torch.log(counts)}
        return Inputs(to_kjt(looked_up, TOWER_KEYS, len(batch)), tensors)

    def losses(self, net: nn.Module, inputs: Inputs) -> Tensor:
        """Cross entropy, [batch]."""
        users, items, negatives = net(inputs.features)
        return sampled_softmax(users, items, negatives, inputs.tensors["hits"], inputs.tensors["log_expected"])

    def scores(self, net: Any, held_out: HeldOut, rng: np.random.Generator) -> NDArray[np.float64]:
        """The metric among what each example is ranked against: see `HeldOut`."""
        users = by_batch(len(held_out.examples), lambda part: self._users(net, held_out.examples.take(part)))
        items = by_batch(len(self._features), lambda part: self._items(net, np.arange(len(self._features))[part]))
        return values_of_vectors(users, items, held_out)

    def _users(self, net: Any, examples: Examples) -> Tensor:
        features = to_kjt(tower_users(examples.users, self._recent), TOWER_KEYS, len(examples))
        vectors: Tensor = net.user_vectors(net.look_up(features.to(device_of(net))))
        return vectors

    def _items(self, net: Any, rows: NDArray[np.int64]) -> Tensor:
        features = to_kjt(tower_items("item", self._features, rows), TOWER_KEYS, len(rows))
        vectors: Tensor = net.item_vectors(net.look_up(features.to(device_of(net))))
        return vectors
