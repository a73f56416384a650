"""The embedding tables of both nets: one item table serves every candidate and every horizon of the history."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torchrec import EmbeddingBagCollection, EmbeddingBagConfig, PoolingType

from models.features import USER_FEATURES
from models.model_config import TableSizes


def embedding_tables(
    sizes: TableSizes, dim: int, candidates: Sequence[str], device: str = "cpu", bound: float | None = None
) -> EmbeddingBagCollection:
    """Mean-pooled tables of users, items, countries, categories and, where there are any, contexts.

    `candidates` name the item look-ups. Weights start uniform within ±`bound`, by default 1/√dim.
    """
    looked_up = {
        "user_table": (sizes.users, ["user"]),
        "item_table": (sizes.items, [*candidates, "history", "recent", "last"]),
        "country_table": (sizes.countries, ["country"]),
        "category_table": (sizes.categories, [f"{name}_categories" for name in candidates]),
    }
    if sizes.context_fields:
        looked_up["context_table"] = (sizes.contexts, [f"context_{field}" for field in range(sizes.context_fields)])
    bound = dim**-0.5 if bound is None else bound
    return EmbeddingBagCollection(
        device=torch.device(device),
        tables=[
            EmbeddingBagConfig(
                name=name,
                num_embeddings=rows,
                embedding_dim=dim,
                feature_names=names,
                pooling=PoolingType.MEAN,
                init_fn=lambda weight: torch.nn.init.uniform_(weight, -bound, bound),
            )
            for name, (rows, names) in looked_up.items()
        ],
    )


def lookup_keys(candidates: Sequence[str]) -> tuple[str, ...]:
    """Keys of the KeyedJaggedTensor that those tables take."""
    return (*USER_FEATURES, *candidates, *(f"{name}_categories" for name in candidates))
