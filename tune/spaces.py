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
    """What moves the two-tower model most: temperature, learning rates, width, and how much it knows of user ids."""
    return {
        "model.embedding_dim": ray_tune.choice([32, 64, 128]),
        "model.unknown_share": ray_tune.uniform(0.25, 1.0),
        "model.temperature": ray_tune.loguniform(0.03, 0.3),
        "optimizer.table_learning_rate": ray_tune.loguniform(0.01, 0.3),
        "optimizer.dense_learning_rate": ray_tune.loguniform(3e-4, 1e-2),
    }


def ranker() -> Space:
    """Width, regularisation and learning rates of the ranker, whichever optimizer its tables have."""
    return {
        "model.embedding_dim": ray_tune.choice([16, 32, 64]),
        "model.dropout": ray_tune.uniform(0.0, 0.4),
        "optimizer.table_learning_rate": ray_tune.loguniform(1e-3, 0.1),
        "optimizer.dense_learning_rate": ray_tune.loguniform(3e-4, 5e-3),
        "optimizer.table_l2": ray_tune.choice([0.0, 0.003, 0.006, 0.012]),
    }


def sequence() -> Space:
    """Width, depth, dropout, negatives and learning rates of the transformer."""
    return {
        "model.embedding_dim": ray_tune.choice([64, 96, 128]),
        "model.num_layers": ray_tune.choice([2, 3]),
        "model.block": ray_tune.choice(["attention", "hstu"]),
        "model.dropout": ray_tune.uniform(0.1, 0.5),
        "model.num_negatives": ray_tune.choice([256, 512, 1024]),
        "optimizer.table_learning_rate": ray_tune.loguniform(0.01, 0.2),
        "optimizer.dense_learning_rate": ray_tune.loguniform(3e-4, 3e-3),
    }


def neural_cf() -> Space:
    """Width, negatives, learning rates and the L2 of NeuMF's tables."""
    return {
        "model.embedding_dim": ray_tune.choice([16, 32, 64]),
        "model.num_negatives": ray_tune.choice([4, 8, 16]),
        "optimizer.table_learning_rate": ray_tune.loguniform(0.02, 0.3),
        "optimizer.table_l2": ray_tune.loguniform(1e-5, 1e-3),
        "optimizer.dense_learning_rate": ray_tune.loguniform(3e-4, 3e-3),
    }


def als() -> Space:
    """The three settings that matter, around what the size of the data suggests."""
    return {
        "model.factors": ray_tune.choice([64, 96, 128, 192, 256]),
        "model.regularization": ray_tune.loguniform(1e-3, 0.1),
        "model.alpha": ray_tune.loguniform(0.5, 30.0),
    }


def item_knn() -> Space:
    """Similarity, neighbours, the ridge of ease, and how little a few shared users prove to the others."""
    return {
        "model.similarity": ray_tune.choice(["ease", "cosine", "tfidf", "bm25"]),
        "model.num_neighbours": ray_tune.choice([50, 100, 200, 400]),
        "model.regularization": ray_tune.loguniform(10.0, 3_000.0),
        "model.shrinkage": ray_tune.choice([0.0, 5.0, 10.0, 20.0, 50.0]),
    }


def content() -> Space:
    """How much labels weigh against text, and the width."""
    return {
        "model.embedding_dim": ray_tune.choice([64, 128, 256, 512]),
        "model.label_weight": ray_tune.loguniform(0.2, 5.0),
    }


def hybrid() -> Space:
    """Which sources there are; their weights are learned in every trial."""
    return {
        "model.sources": ray_tune.choice(
            [
                ["als", "content"],
                ["sequence", "content"],
                ["als", "item_knn", "content"],
                ["sequence", "als", "content"],
            ]
        )
    }


SPACES: dict[str, Callable[[], Space]] = {
    space.__name__: space for space in (two_tower, sequence, als, item_knn, content, neural_cf, hybrid, ranker)
}


def space_of(name: str) -> Space:
    """The space of this name; `ConfigError` lists them when there is none."""
    if name not in SPACES:
        raise ConfigError(f"search space {name!r} is unknown. Use one of: {', '.join(SPACES)}.")
    return SPACES[name]()
