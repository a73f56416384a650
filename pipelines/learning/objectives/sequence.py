"""What the sequence net learns: the next item of every window, at all of its steps at once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from models.model_config import SequenceConfig
from models.nets.jagged import to_kjt
from models.nets.sampled_losses import gbce, shared_softmax
from models.nets.sequence import KEYS, NEGATIVE, WINDOW, Packing, Sequence, item_table
from models.packing import pack
from models.ragged import Jagged
from pipelines.learning.data.examples import Block, Expansion
from pipelines.learning.data.held_out import HeldOut
from pipelines.learning.data.known import Known
from pipelines.learning.data.windows import Windows, training_sequences, window_batches
from pipelines.learning.objectives.full_ranking import by_batch, values_of_vectors
from pipelines.learning.objectives.objective import Batching, Inputs, device_of

_USERS_AT_A_TIME = 512


class SequenceObjective:
    """Sampled softmax or gBCE against negatives shared by the batch."""

    def __init__(self, config: SequenceConfig, known: Known) -> None:
        self._config, self._known = config, known
        self._num_items = known.sizes.items
        self._length = known.spec.history_length
        share = np.full(self._num_items, 1.0 / self._num_items)
        if config.loss == "sampled_softmax":
            smoothed = known.counts + 1.0
            share = 0.5 * share + 0.5 * smoothed / smoothed.sum()
        self._share, self._cumulative = share, np.cumsum(share)

    def build(self, device: str) -> nn.Module:
        """A `Sequence`."""
        tables = item_table(self._num_items, self._config.embedding_dim, device)
        return Sequence(tables, self._config, self._length)

    def stream(self) -> Expansion:
        """Whole training sequences, whose windows are cut by the worker, anew each epoch."""
        return training_sequences, {}

    def batches(self, blocks: Iterator[Block], batching: Batching) -> Iterator[Windows]:
        """Windows of about `batch_size` targets in all."""
        return window_batches(
            blocks, self._length, batching.batch_size, batching.shuffle_buffer, batching.seed, *batching.scope
        )

    def blank(self) -> Windows:
        """One step between item 0 and itself."""
        return Windows(np.zeros(2, np.int64), np.asarray([2]), np.asarray([False, True]))

    def inputs(self, batch: Windows, rng: np.random.Generator) -> Inputs:
        """Every item is looked up once, as an input and as a target."""
        negatives, log_expected = self._negatives(rng)
        lasts = np.cumsum(batch.lengths) - 1
        is_input = np.ones(len(batch.items), bool)
        is_input[lasts] = False
        step_of = np.cumsum(is_input) - 1  # number of the input at a place of `items`
        targets = np.flatnonzero(batch.is_target)
        packed = pack(batch.lengths - 1)
        lengths = np.zeros(len(batch.lengths), np.int32)
        lengths[0] = len(negatives)
        looked_up = {
            WINDOW: Jagged(batch.items, batch.lengths.astype(np.int32)),
            NEGATIVE: Jagged(negatives, lengths),
        }
        tensors = {
            "inputs": torch.from_numpy(np.flatnonzero(is_input)),
            "steps": torch.from_numpy(step_of[targets - 1]),
            "targets": torch.from_numpy(targets),
            "hits": torch.from_numpy(batch.items[targets][:, None] == negatives[None]),
            "log_expected": torch.from_numpy(log_expected).float(),
            **_tensors(packed),
        }
        return Inputs(to_kjt(looked_up, KEYS, len(batch.lengths)), tensors)

    def losses(self, net: nn.Module, inputs: Inputs) -> Tensor:
        """Loss of each target, [num_targets]."""
        t = inputs.tensors
        hidden, items, negatives = net(inputs.features, t["inputs"], _packing(t))
        states, positives = hidden[t["steps"]], items[t["targets"]]
        if self._config.loss == "gbce":
            rate = len(negatives) / self._num_items
            return gbce(states, positives, negatives, t["hits"], rate, self._config.gbce_calibration)
        return shared_softmax(states, positives, negatives, t["hits"], t["log_expected"])

    def scores(self, net: Any, held_out: HeldOut, rng: np.random.Generator) -> NDArray[np.float64]:
        """The metric among what each example is ranked against: see `HeldOut`."""
        histories = held_out.examples.users.history
        users = by_batch(len(histories), lambda part: self._users(net, histories[part]), _USERS_AT_A_TIME)
        items = by_batch(self._num_items, lambda part: self._items(net, np.arange(self._num_items)[part]))
        return values_of_vectors(users, items, held_out)

    def _negatives(self, rng: np.random.Generator) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Rows that a batch shares, and the log of how often each was expected; for a full softmax each item once."""
        num = self._config.num_negatives
        if num == 0:
            return np.arange(self._num_items), np.zeros(self._num_items)
        drawn = np.searchsorted(self._cumulative, rng.random(num)).clip(max=self._num_items - 1)
        return drawn, np.log(num * self._share[drawn])

    def _users(self, net: Sequence, histories: NDArray[np.int32]) -> Tensor:
        """The vector after the last item; zero for a user without history."""
        known = histories >= 0
        lengths = known.sum(axis=1)
        some = np.flatnonzero(lengths)
        looked_up = {WINDOW: Jagged(histories[known].astype(np.int64), lengths.astype(np.int32))}
        items, _ = net.look_up(to_kjt(looked_up, KEYS, len(histories)).to(device_of(net)))
        vectors = items.new_zeros(len(histories), items.shape[1])
        if len(some):
            packing = _packing({name: t.to(items.device) for name, t in _tensors(pack(lengths[some])).items()})
            lasts = torch.from_numpy(np.cumsum(lengths[some]) - 1)
            vectors[torch.from_numpy(some)] = net.encode(items, packing)[lasts]
        return vectors

    def _items(self, net: Sequence, rows: NDArray[np.int64]) -> Tensor:
        looked_up = {NEGATIVE: Jagged(rows, np.ones(len(rows), np.int32))}
        return net.look_up(to_kjt(looked_up, KEYS, len(rows)).to(device_of(net)))[1]


def _tensors(packed: Any) -> dict[str, Tensor]:
    return {name: torch.from_numpy(values) for name, values in packed._asdict().items()}


def _packing(tensors: dict[str, Tensor]) -> Packing:
    return Packing(tensors["places"], tensors["segments"], tensors["positions"])
