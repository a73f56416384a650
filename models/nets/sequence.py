"""The sequence model: a causal transformer over a user's items; its output ranks the next one.

Users have no table of their own, so someone never seen in training is answered from their history alone. The table
that embeds the history is the one that scores the candidates (weight tying: Kang and McAuley, 2018, section 3.3).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torchrec import EmbeddingCollection, EmbeddingConfig, KeyedJaggedTensor

from models.model_config import SequenceConfig
from models.nets.transformer import causal_mask, make_block

WINDOW, NEGATIVE = "window", "negative"
KEYS = (WINDOW, NEGATIVE)


@dataclass(frozen=True, slots=True)
class Packing:
    """Where the items of windows lie in packed rows.

    `places`: [num_items], the flat place (row × length + column) of each; `segments`: [rows, length], the window that
    holds a place, -1 where none does; `positions`: [rows, length], a place's position in its window.
    """

    places: Tensor
    segments: Tensor
    positions: Tensor


def item_table(num_items: int, dim: int, device: str = "cpu") -> EmbeddingCollection:
    """One table, looked up for the items of windows and for negatives."""
    return EmbeddingCollection(
        device=torch.device(device),
        tables=[
            EmbeddingConfig(
                name="item_table",
                num_embeddings=num_items,
                embedding_dim=dim,
                feature_names=list(KEYS),
                init_fn=lambda weight: torch.nn.init.normal_(weight, std=0.02),
            )
        ],
    )


class Sequence(nn.Module):
    """The item table, positions and blocks. `max_length`: items of the longest window."""

    def __init__(self, tables: EmbeddingCollection, config: SequenceConfig, max_length: int) -> None:
        super().__init__()
        dim = config.embedding_dim
        self.tables = tables
        self.scale = dim**0.5
        self.has_positions = config.block == "attention"
        self.positions = nn.Embedding(max_length if self.has_positions else 1, dim)
        self.blocks = nn.ModuleList([make_block(dim, config, max_length) for _ in range(config.num_layers)])
        self.norm = nn.LayerNorm(dim)
        self.dropout = nn.Dropout(config.dropout)
        nn.init.normal_(self.positions.weight, std=0.02)
        for module in self.blocks.modules():
            if isinstance(module, nn.Linear):
                nn.init.normal_(module.weight, std=0.02 if self.has_positions else module.in_features**-0.5)
                nn.init.zeros_(module.bias)

    def forward(self, features: KeyedJaggedTensor, inputs: Tensor, packing: Packing) -> tuple[Tensor, Tensor, Tensor]:
        """What comes after each input, and embeddings of all items of windows and of all negatives, each [n, dim].

        `inputs`: which of the windows' items are inputs, [num_inputs]; `packing` places those.
        """
        items, negatives = self.look_up(features)
        return self.encode(items[inputs], packing), items, negatives

    def look_up(self, features: KeyedJaggedTensor) -> tuple[Tensor, Tensor]:
        """Embeddings of the items of windows and of negatives, [num_items, dim] and [num_negatives, dim]."""
        found = self.tables(features)
        return found[WINDOW].values(), found[NEGATIVE].values()

    def encode(self, items: Tensor, packing: Packing) -> Tensor:
        """What comes after each item, [num_items, dim], from the items' embeddings."""
        rows, length = packing.segments.shape
        packed = items.new_zeros(rows * length, items.shape[1]).index_copy(0, packing.places, items * self.scale)
        hidden = packed.view(rows, length, -1)
        if self.has_positions:
            hidden = hidden + self.positions(packing.positions)
        hidden = self.dropout(hidden)
        mask = causal_mask(packing.segments)
        for block in self.blocks:
            hidden = block(hidden, mask)
        encoded: Tensor = self.norm(hidden.flatten(0, 1)[packing.places])
        return encoded
