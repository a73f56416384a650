"""The cross network of DCN-v2 (Wang et al., 2021, sections 3.2 and 3.5): products of features, layer by layer."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class CrossNetwork(nn.Module):
    """x ← x₀ ⊙ (W x + b) + x, `num_layers` times: after layer n, products of up to n + 1 features.

    `rank` 0: W is a full matrix; otherwise W = U V with that inner width.
    """

    def __init__(self, dim: int, num_layers: int, rank: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList([_matrix(dim, rank) for _ in range(num_layers)])

    def forward(self, features: Tensor) -> Tensor:
        """[pairs, dim] to [pairs, dim]."""
        crossed = features
        for layer in self.layers:
            crossed = torch.addcmul(crossed, features, layer(crossed))
        return crossed


def _matrix(dim: int, rank: int) -> nn.Module:
    if rank == 0:
        return nn.Linear(dim, dim)
    return nn.Sequential(nn.Linear(dim, rank, bias=False), nn.Linear(rank, dim))
