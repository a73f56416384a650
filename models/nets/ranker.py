"""The ranker: user, context, candidate item and dense features meet; a shared bottom feeds one logit a head.

Shared bottom (Caruana, 1997): all heads read the same layers. In training an example carries one candidate (an item
that was shown) or a positive with sampled negatives, each a look-up of its own name, so that the user side is
looked up once. The position tower adds a bias a position and head to the logits (Zhao et al., 2019, section 4.2);
position 0 is "unknown", adds nothing, and is what serving uses.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, fields

import torch
from torch import Tensor, nn
from torchrec import EmbeddingBagCollection, KeyedJaggedTensor

from models.features import NUM_DENSE, USER_FEATURES
from models.model_config import HeadWeights, RankerConfig, TableSizes
from models.nets.batch_norm import freeze
from models.nets.embedding_tables import embedding_tables, lookup_keys
from models.nets.interactions import dense_layers, interaction

HEADS = tuple(head.name for head in fields(HeadWeights))
ONE_CANDIDATE = ("item",)
_NEAR_ZERO = 0.02
NOTHING = -1
"""Position of the one example of a batch that is there only to keep step."""


def candidate_names(num_negatives: int) -> tuple[str, ...]:
    """Look-up names of an example's candidates, the positive first."""
    return ("item", *(f"negative_{i}" for i in range(num_negatives)))


def context_names(num_fields: int) -> tuple[str, ...]:
    """Look-up names of the fields of context."""
    return tuple(f"context_{field}" for field in range(num_fields))


def ranker_tables(
    sizes: TableSizes, config: RankerConfig, device: str, candidates: Sequence[str] = ONE_CANDIDATE
) -> EmbeddingBagCollection:
    """Tables with one item look-up for each candidate of an example."""
    # From near zero a rare row says little until it has learned something. Dot products of such rows would be too
    # small to learn from.
    bound = _NEAR_ZERO if config.interaction == "dcn_v2" else None
    return embedding_tables(sizes, config.embedding_dim, candidates, device, bound)


def ranker_keys(num_context_fields: int, candidates: Sequence[str] = ONE_CANDIDATE) -> tuple[str, ...]:
    """Keys of the KeyedJaggedTensor that those tables take."""
    return (*lookup_keys(candidates), *context_names(num_context_fields))


class Ranker(nn.Module):
    """`forward` scores every candidate of every example by every head."""

    def __init__(
        self,
        tables: EmbeddingBagCollection,
        config: RankerConfig,
        num_context_fields: int = 0,
        candidates: Sequence[str] = ONE_CANDIDATE,
    ) -> None:
        super().__init__()
        self.tables = tables
        self.candidates = tuple(candidates)
        self.user_names = (*USER_FEATURES, *context_names(num_context_fields))
        self.dense = dense_layers(NUM_DENSE, config)
        self.interaction = interaction(len(self.user_names) + 3, config)  # item, its categories, dense
        self.heads = nn.Linear(self.interaction.out_dim, len(HEADS))
        self.positions = nn.Embedding(1 + config.num_positions, len(HEADS), padding_idx=0)
        nn.init.zeros_(self.positions.weight)
        self.head_weights: Tensor
        self.register_buffer("head_weights", torch.tensor(astuple(config.head_weights)), persistent=False)

    def forward(self, features: KeyedJaggedTensor, dense: Tensor, positions: Tensor) -> Tensor:
        """[batch, num_candidates, num_heads] logits.

        `dense`: [batch, num_candidates, NUM_DENSE]. `positions`: [batch, num_candidates], 0 is unknown and `NOTHING`
        marks a batch that only keeps step.
        """
        freeze(self, bool((positions == NOTHING).all()))
        pooled = self.look_up(features)
        batch, num = dense.shape[:2]
        users = self.user_parts(pooled)[:, None].expand(-1, num, -1, -1)
        items = torch.stack([self.item_parts(pooled, name) for name in self.candidates], dim=1)
        logits = self.logits(users.flatten(0, 1), items.flatten(0, 1), dense.flatten(0, 1))
        placed: Tensor = logits.view(batch, num, len(HEADS)) + self.positions(positions.clamp(min=0))
        return placed

    def look_up(self, features: KeyedJaggedTensor) -> dict[str, Tensor]:
        """Mean-pooled embeddings by feature name, each [batch, dim]."""
        pooled: dict[str, Tensor] = self.tables(features).to_dict()
        return pooled

    def user_parts(self, pooled: dict[str, Tensor]) -> Tensor:
        """[batch, len(user_names), dim]: the user and the context."""
        return torch.stack([pooled[name] for name in self.user_names], dim=1)

    def item_parts(self, pooled: dict[str, Tensor], name: str = "item") -> Tensor:
        """[batch, 2, dim]: the item and its categories."""
        return torch.stack([pooled[name], pooled[f"{name}_categories"]], dim=1)

    def logits(self, users: Tensor, items: Tensor, dense: Tensor) -> Tensor:
        """[pairs, num_heads] logits from `user_parts`, `item_parts` and [pairs, NUM_DENSE] dense features."""
        vectors = torch.cat([users, items, self.dense(dense)[:, None]], dim=1)
        logits: Tensor = self.heads(self.interaction(vectors))
        return logits

    def final(self, logits: Tensor) -> Tensor:
        """The stated sum of the heads: [..., num_heads] to [...]."""
        return logits @ self.head_weights
