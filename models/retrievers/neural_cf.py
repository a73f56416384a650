"""NeuMF over the whole catalogue, on CPU."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional as F

from models.features import UserBatch
from models.model_config import NeuralCFConfig, TableSizes
from models.nets.files import describe, fill
from models.nets.neu_mf import NeuMF, neu_mf_tables
from models.vocabulary import Rows

NEURAL_CF = "neural_cf.safetensors"
_ITEMS_AT_A_TIME = 4_096


class NeuralCFScorer:
    """A user is their id alone; ids that training did not know share the reserved rows."""

    def __init__(self, net: NeuMF) -> None:
        self._net = net
        weights = net.state_dict()
        self._users: torch.Tensor = weights["tables.embeddings.user_table.weight"]
        self._items: torch.Tensor = weights["tables.embeddings.item_table.weight"]
        self.num_items = len(self._items)
        with torch.inference_mode():
            self._share = net.item_layer(self._items[:, net.dim :])

    @classmethod
    def load(cls, folder: Path) -> NeuralCFScorer:
        """Read `neural_cf.safetensors` and its JSON."""
        body = describe(folder, NEURAL_CF)
        config, sizes = NeuralCFConfig(**body["config"]), TableSizes(**body["sizes"])
        net = NeuMF(neu_mf_tables(sizes, config.embedding_dim), config)
        return cls(fill(net, folder / NEURAL_CF))

    @torch.inference_mode()
    def score_all(self, users: UserBatch) -> NDArray[np.float32]:
        """[batch, num_items]."""
        scores = np.empty((len(users), self.num_items), np.float32)
        for row, vector in enumerate(self._users[torch.from_numpy(users.user)]):
            for start in range(0, self.num_items, _ITEMS_AT_A_TIME):
                part = slice(start, start + _ITEMS_AT_A_TIME)
                scores[row, part] = self._net.combine(vector, self._items[part], self._share[part]).numpy()
        return scores

    @torch.inference_mode()
    def similarity(self, items: Rows, others: Rows) -> NDArray[np.float32]:
        """Cosines of the items' rows."""
        one, other = (F.normalize(self._items[torch.from_numpy(rows)], dim=1) for rows in (items, others))
        return np.asarray((one @ other.T).numpy(), np.float32)
