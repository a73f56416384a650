"""Batch normalisation for batches that may hold nothing."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F


class BatchNorm(nn.BatchNorm1d):
    """Ioffe and Szegedy, 2015. While `frozen`, and for a batch of one row, training too uses the running statistics.

    A worker without examples left keeps step with batches of nothing, which must not move the statistics. Each worker
    has its own; those of the first are what a checkpoint holds.
    """

    frozen = False

    def forward(self, rows: Tensor) -> Tensor:
        """[batch, width] to [batch, width]."""
        if self.training and (self.frozen or len(rows) < 2):
            return F.batch_norm(rows, self.running_mean, self.running_var, self.weight, self.bias, False, 0.0, self.eps)
        return super().forward(rows)


def freeze(net: nn.Module, frozen: bool) -> None:
    """Whether the statistics of every `BatchNorm` in the net stay as they are."""
    for module in net.modules():
        if isinstance(module, BatchNorm):
            module.frozen = frozen
