"""The embedding tables that nets share: one item table serves every candidate and every horizon of the history."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torchrec import EmbeddingBagCollection, EmbeddingBagConfig, PoolingType

from models.features import USER_FEATURES
from models.model_config import TableSizes


class Table(NamedTuple):
    """How many rows there are, which features look them up, and within ±`bound` of what they begin (None: 1/√dim)."""

    rows: int
    features: list[str]
    bound: float | None = None


def embedding_tables(
    sizes: TableSizes, dim: int, candidates: Sequence[str], device: str = "cpu", bound: float | None = None
) -> EmbeddingBagCollection:
    """The shared tables alone (`shared_tables`)."""
    return collection(shared_tables(sizes, candidates, bound), dim, device)


def shared_tables(sizes: TableSizes, candidates: Sequence[str], bound: float | None = None) -> dict[str, Table]:
    """Tables of users, items, countries, categories and, where there are any, contexts, by name.

    `candidates` name the item look-ups.
    """
    tables = {
        "user_table": Table(sizes.users, ["user"], bound),
        "item_table": Table(sizes.items, [*candidates, "history", "recent", "last"], bound),
        "country_table": Table(sizes.countries, ["country"], bound),
        "category_table": Table(sizes.categories, [f"{name}_categories" for name in candidates], bound),
    }
    if sizes.context_fields:
        fields = [f"context_{field}" for field in range(sizes.context_fields)]
        tables["context_table"] = Table(sizes.contexts, fields, bound)
    return tables


def collection(tables: Mapping[str, Table], dim: int, device: str = "cpu") -> EmbeddingBagCollection:
    """Mean-pooled tables; their weights start uniform within their bounds."""
    return EmbeddingBagCollection(
        device=torch.device(device),
        tables=[
            EmbeddingBagConfig(
                name=name,
                num_embeddings=table.rows,
                embedding_dim=dim,
                feature_names=table.features,
                pooling=PoolingType.MEAN,
                init_fn=_within(dim**-0.5 if table.bound is None else table.bound),
            )
            for name, table in tables.items()
        ],
    )


def lookup_keys(candidates: Sequence[str]) -> tuple[str, ...]:
    """Keys of the KeyedJaggedTensor that those tables take."""
    return (*USER_FEATURES, *candidates, *(f"{name}_categories" for name in candidates))


def _within(bound: float) -> Callable[[Tensor], Tensor]:
    return lambda weight: torch.nn.init.uniform_(weight, -bound, bound)
