"""The sequence net as an encoder of users, on CPU: the history in, the vector of what comes next out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from models.features import FeatureSpec, UserBatch
from models.index.arrays import Vectors
from models.model_config import SequenceConfig, TableSizes
from models.nets.files import describe, fill
from models.nets.sequence import Packing, Sequence, item_table
from models.packing import pack

SEQUENCE = "sequence.safetensors"


class SequenceEncoder:
    """NumPy in, NumPy out. A user without history is the zero vector."""

    def __init__(self, net: Sequence) -> None:
        self._net = net
        self._items: torch.Tensor = net.state_dict()["tables.embeddings.item_table.weight"]
        self._dim = self._items.shape[1]

    @classmethod
    def load(cls, folder: Path, spec: FeatureSpec) -> SequenceEncoder:
        """Read `sequence.safetensors` and its JSON."""
        body = describe(folder, SEQUENCE)
        config, sizes = SequenceConfig(**body["config"]), TableSizes(**body["sizes"])
        net = Sequence(item_table(sizes.items, config.embedding_dim), config, spec.history_length)
        return cls(fill(net, folder / SEQUENCE))

    @torch.inference_mode()
    def encode(self, users: UserBatch) -> Vectors:
        """[batch, dim]."""
        known = users.history >= 0
        lengths = known.sum(axis=1)
        vectors = np.zeros((len(users), self._dim), np.float32)
        if not lengths.any():
            return vectors
        some = np.flatnonzero(lengths)
        packed = pack(lengths[some])
        items = self._items[torch.from_numpy(users.history[known].astype(np.int64))]
        hidden = self._net.encode(items, Packing(*map(torch.from_numpy, packed)))
        vectors[some] = hidden[torch.from_numpy(np.cumsum(lengths[some]) - 1)].numpy()
        return vectors

    def encode_items(self) -> Vectors:
        """Vectors of the whole catalogue in row order, [num_items, dim]: the table itself."""
        return np.asarray(self._items.numpy(), np.float32)
