"""Search spaces: one function each. A key is what `--set` takes; a value is a distribution of Ray Tune.

Distributions are `choice`, `uniform`, `loguniform`, `quniform`, `randint` and `lograndint`; no grid. A space is named
like the recipe it starts from unless `--recipe` says otherwise, and `SPACES` holds them all.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ray import tune as ray_tune

from models.errors import ConfigError

Space = dict[str, Any]


def two_tower() -> Space:
    """What moves the two-tower model most: temperature, learning rates, width and negatives."""
    return {
        "model.embedding_dim": ray_tune.choice([32, 64, 96]),
        "model.temperature": ray_tune.loguniform(0.03, 0.3),
        "optimizer.table_learning_rate": ray_tune.loguniform(0.01, 0.3),
        "optimizer.dense_learning_rate": ray_tune.loguniform(3e-4, 1e-2),
    }


def ranker() -> Space:
    """Width, number of negatives and learning rates of the ranker."""
    return {
        "model.embedding_dim": ray_tune.choice([16, 32, 64]),
        "model.num_negatives": ray_tune.choice([4, 8, 16]),
        "optimizer.table_learning_rate": ray_tune.loguniform(0.01, 0.1),
        "optimizer.dense_learning_rate": ray_tune.loguniform(3e-4, 5e-3),
    }


SPACES: dict[str, Callable[[], Space]] = {"two_tower": two_tower, "ranker": ranker}


def space_of(name: str) -> Space:
    """The space of this name; `ConfigError` lists them when there is none."""
    if name not in SPACES:
        raise ConfigError(f"search space {name!r} is unknown. Use one of: {', '.join(SPACES)}.")
    return SPACES[name]()
