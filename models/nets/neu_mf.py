"""NeuMF: a factorisation and a perceptron over the same user and item, in one logit (He et al., 2017, section 3.4).

Each table holds both halves side by side: the first `dim` columns are the factorisation's, the rest the perceptron's.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torchrec import EmbeddingCollection, EmbeddingConfig, KeyedJaggedTensor

from models.model_config import NeuralCFConfig, TableSizes

USER, CANDIDATES = "user", "candidates"
KEYS = (USER, CANDIDATES)
_INIT_STD = 0.01
"""Standard deviation of the tables before training, as in section 4.1."""


def neu_mf_tables(sizes: TableSizes, dim: int, device: str = "cpu") -> EmbeddingCollection:
    """A table of users and one of items, 2 × `dim` wide."""
    looked_up = {"user_table": (sizes.users, USER), "item_table": (sizes.items, CANDIDATES)}
    return EmbeddingCollection(
        device=torch.device(device),
        tables=[
            EmbeddingConfig(
                name=name,
                num_embeddings=rows,
                embedding_dim=2 * dim,
                feature_names=[feature],
                init_fn=lambda weight: nn.init.normal_(weight, std=_INIT_STD),
            )
            for name, (rows, feature) in looked_up.items()
        ],
    )


class NeuMF(nn.Module):
    """`forward` gives a logit for each candidate of each user."""

    def __init__(self, tables: EmbeddingCollection, config: NeuralCFConfig) -> None:
        super().__init__()
        dim, hidden = config.embedding_dim, config.hidden_dim
        self.tables = tables
        self.dim = dim
        self.product = nn.Linear(dim, 1)
        # The first layer takes users and items apart, so that a catalogue's share is computed once for all users.
        self.user_layer, self.item_layer = nn.Linear(dim, hidden), nn.Linear(dim, hidden, bias=False)
        last = nn.Linear(hidden // 2, 1)
        self.top = nn.Sequential(nn.ReLU(), nn.Linear(hidden, hidden // 2), nn.ReLU(), last)
        nn.init.ones_(self.product.weight)  # training begins from plain matrix factorisation
        nn.init.zeros_(last.weight)

    def forward(self, features: KeyedJaggedTensor) -> Tensor:
        """[batch, num_candidates]: every user has as many candidates."""
        found = self.tables(features)
        users, items = found[USER].values(), found[CANDIDATES].values()
        return self.logits(users[:, None], items.view(len(users), -1, 2 * self.dim))

    def logits(self, users: Tensor, items: Tensor) -> Tensor:
        """Logits of rows of the tables, [..., 2 × dim] that broadcast against each other."""
        return self.combine(users, items, self.item_layer(items[..., self.dim :]))

    def combine(self, users: Tensor, items: Tensor, item_share: Tensor) -> Tensor:
        """`logits` with the items' share of the first layer, [..., hidden], computed before."""
        product = self.product(users[..., : self.dim] * items[..., : self.dim])
        perceptron: Tensor = self.top(self.user_layer(users[..., self.dim :]) + item_share)
        logits: Tensor = (product + perceptron).squeeze(-1)
        return logits
