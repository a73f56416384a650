"""How the vectors of a user-item pair meet: DLRM's dot products or DCN-v2's cross network, and layers behind them."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from models.model_config import RankerConfig
from models.nets.batch_norm import BatchNorm
from models.nets.cross_network import CrossNetwork


class DotInteraction(nn.Module):
    """DLRM (Naumov et al., 2019, section 2.1): all pairwise dot products beside the dense vector, then a perceptron."""

    def __init__(self, num_vectors: int, config: RankerConfig) -> None:
        super().__init__()
        num_pairs = num_vectors * (num_vectors - 1) // 2
        self.top = perceptron(num_pairs + config.embedding_dim, config)
        self.out_dim = config.hidden_dim
        self._left: Tensor
        self._right: Tensor
        left, right = torch.triu_indices(num_vectors, num_vectors, offset=1).unbind()
        self.register_buffer("_left", left, persistent=False)
        self.register_buffer("_right", right, persistent=False)

    def forward(self, vectors: Tensor) -> Tensor:
        """[pairs, num_vectors, dim], the dense vector last, to [pairs, out_dim]."""
        products = torch.bmm(vectors, vectors.transpose(1, 2))[:, self._left, self._right]
        made: Tensor = self.top(torch.cat([products, vectors[:, -1]], dim=1))
        return made


class CrossInteraction(nn.Module):
    """DCN-v2 (Wang et al., 2021, section 3.4): cross network and perceptron in parallel, or the one on the other."""

    def __init__(self, num_vectors: int, config: RankerConfig) -> None:
        super().__init__()
        dim = num_vectors * config.embedding_dim
        self.cross = CrossNetwork(dim, config.cross_layers, config.cross_rank)
        self.deep = perceptron(dim, config)
        self.stacked = config.cross_layout == "stacked"
        self.out_dim = config.hidden_dim if self.stacked else dim + config.hidden_dim

    def forward(self, vectors: Tensor) -> Tensor:
        """[pairs, num_vectors, dim] to [pairs, out_dim]."""
        flat = vectors.flatten(1)
        crossed = self.cross(flat)
        if self.stacked:
            made: Tensor = self.deep(crossed)
            return made
        return torch.cat([crossed, self.deep(flat)], dim=1)


def interaction(num_vectors: int, config: RankerConfig) -> DotInteraction | CrossInteraction:
    """The interaction that the configuration names."""
    return (DotInteraction if config.interaction == "dlrm" else CrossInteraction)(num_vectors, config)


def perceptron(in_dim: int, config: RankerConfig) -> nn.Sequential:
    """`num_layers` hidden layers, each normalised where the configuration says so, and with dropout."""
    layers: list[nn.Module] = []
    for _ in range(config.num_layers):
        linear = nn.Linear(in_dim, config.hidden_dim, bias=not config.batch_norm)
        norm = [BatchNorm(config.hidden_dim)] if config.batch_norm else []
        layers += [linear, *norm, nn.ReLU(), nn.Dropout(config.dropout)]
        in_dim = config.hidden_dim
    return nn.Sequential(*layers)


def dense_layers(in_dim: int, config: RankerConfig) -> nn.Sequential:
    """Dense features to a vector of their own, [pairs, embedding_dim].

    Before a normalisation a constant in it has no gradient but rounding, of which Adam makes whole steps, and the
    running statistics lag behind. So features are standardised and no bias is added: what is constant is 0.
    """
    normed = config.batch_norm
    first = [BatchNorm(in_dim, affine=False)] if normed else []
    wide, narrow = nn.Linear(in_dim, config.hidden_dim, bias=not normed), config.embedding_dim
    return nn.Sequential(*first, wide, nn.ReLU(), nn.Linear(config.hidden_dim, narrow, bias=not normed))
