"""Causal blocks over packed rows: several short sequences lie in one row, and none sees another.

`attention` is the pre-norm block of SASRec (Kang and McAuley, 2018, section 3.2). `hstu` is the pointwise
aggregated attention of HSTU (Zhai et al., 2024, section 3.2): SiLU instead of softmax, so that how often something
was seen still counts, and a learned bias by distance in place of positions.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.model_config import SequenceConfig


def causal_mask(segments: Tensor) -> Tensor:
    """[rows, 1, length, length]: whether a place (third axis) sees another, from [rows, length] segment numbers."""
    same = segments[:, :, None] == segments[:, None, :]
    return same.tril()[:, None]


class AttentionBlock(nn.Module):
    """Multi-head self-attention, then a feed-forward layer of four times the width."""

    def __init__(self, dim: int, config: SequenceConfig, max_length: int) -> None:
        super().__init__()
        self._heads = config.num_heads
        self.attention_norm, self.forward_norm = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.projections, self.output = nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)
        self.wide, self.narrow = nn.Linear(dim, 4 * dim), nn.Linear(4 * dim, dim)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, hidden: Tensor, mask: Tensor) -> Tensor:
        """[rows, length, dim] to the same."""
        queries, keys, values = (
            _by_head(part, self._heads) for part in self.projections(self.attention_norm(hidden)).chunk(3, -1)
        )
        seen = F.scaled_dot_product_attention(queries, keys, values, attn_mask=mask)
        hidden = hidden + self.dropout(self.output(_joined(seen)))
        wide = F.gelu(self.wide(self.forward_norm(hidden)))
        after: Tensor = hidden + self.dropout(self.narrow(wide))
        return after


class HstuBlock(nn.Module):
    """Pointwise attention whose output is gated."""

    def __init__(self, dim: int, config: SequenceConfig, max_length: int) -> None:
        super().__init__()
        self._heads, self._length = config.num_heads, max_length
        self.input_norm, self.output_norm = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.projections, self.output = nn.Linear(dim, 4 * dim), nn.Linear(dim, dim)
        self.by_distance = nn.Parameter(torch.randn(max_length) * 0.02)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, hidden: Tensor, mask: Tensor) -> Tensor:
        """[rows, length, dim] to the same."""
        gate, values, queries, keys = F.silu(self.projections(self.input_norm(hidden))).chunk(4, -1)
        queries, keys, values = (_by_head(part, self._heads) for part in (queries, keys, values))
        place = torch.arange(hidden.shape[1], device=hidden.device)
        bias = self.by_distance[(place[:, None] - place[None]).clamp(0, self._length - 1)]
        weights = F.silu(queries @ keys.transpose(-1, -2) + bias) / self._length * mask
        seen = self.output_norm(_joined(weights @ values))
        after: Tensor = hidden + self.output(self.dropout(gate * seen))
        return after


def make_block(dim: int, config: SequenceConfig, max_length: int) -> nn.Module:
    """The block that the configuration names."""
    return (AttentionBlock if config.block == "attention" else HstuBlock)(dim, config, max_length)


def _by_head(hidden: Tensor, heads: int) -> Tensor:
    rows, length, dim = hidden.shape
    return hidden.view(rows, length, heads, dim // heads).transpose(1, 2)


def _joined(by_head: Tensor) -> Tensor:
    rows, _, length, _ = by_head.shape
    return by_head.transpose(1, 2).reshape(rows, length, -1)
