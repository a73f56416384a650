"""The model of the step benchmarks on TorchRec's fused tables."""

from __future__ import annotations

import torch
from torch import Tensor
from torchrec import EmbeddingBagConfig, KeyedJaggedTensor, PoolingType
from torchrec.modules.fused_embedding_modules import FusedEmbeddingBagCollection
from torchrec.optim.rowwise_adagrad import RowWiseAdagrad

from tests.benchmarks.torch_steps import DIM, POOLED, Batch, Step, step_of


def fused_step(num_rows: int, device: str) -> Step:
    """TorchRec's fused kernel with row-wise Adagrad, the one that sharded training places on a rank."""
    names = ("user", "item")
    configs = [
        EmbeddingBagConfig(
            name=f"{name}_table", embedding_dim=DIM, num_embeddings=num_rows, feature_names=[name],
            pooling=PoolingType.MEAN,
        )
        for name in names
    ]  # fmt: skip
    tables = FusedEmbeddingBagCollection(
        tables=configs, optimizer_type=RowWiseAdagrad, optimizer_kwargs={"lr": 0.05}, device=torch.device(device)
    )

    def look_up(batch: Batch) -> Tensor:
        users, items, _ = batch
        lengths = torch.cat([torch.ones_like(users), torch.full_like(users, POOLED)])
        found = tables(KeyedJaggedTensor(list(names), torch.cat([users, items]), lengths=lengths))
        return found.values()

    return step_of(look_up, [], device)
