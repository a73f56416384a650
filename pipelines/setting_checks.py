"""What a setting may be: the type of its field, and its range."""

from __future__ import annotations

from typing import Any, Literal, get_args, get_origin

from models.errors import ConfigError
from models.model_config import ModelConfig, RankerConfig, SequenceConfig

_RANGES: dict[str, tuple[float, float]] = {
    "split.test_fraction": (0.001, 0.4),
    "features.history_length": (0, 10_000),
    "features.recent_length": (0, 10_000),
    "features.user_buckets": (1, 2**31),
    "features.country_buckets": (2, 2**31),
    "features.category_buckets": (1, 2**31),
    "features.profile_buckets": (1, 2**31),
    "features.word_buckets": (1, 2**31),
    "model.embedding_dim": (0, 4_096),
    "model.hidden_dim": (1, 65_536),
    "model.temperature": (1e-4, 100),
    "model.unknown_share": (0, 1),
    "model.num_negatives": (0, 100_000),
    "model.num_layers": (1, 64),
    "model.num_heads": (1, 64),
    "model.gbce_calibration": (0, 1),
    "model.dropout": (0, 0.95),
    "model.factors": (0, 4_096),
    "model.regularization": (0, 1e6),
    "model.alpha": (0, 1e6),
    "model.num_neighbours": (0, 100_000),
    "model.max_terms": (1, 10_000_000),
    "model.shrinkage": (0, 1e6),
    "model.label_weight": (0, 1_000),
    "model.recency_half_life": (0, 1e6),
    "optimizer.table_learning_rate": (0, 100),
    "optimizer.dense_learning_rate": (0, 100),
    "optimizer.weight_decay": (0, 100),
    "optimizer.warmup_steps": (0, 2**31),
    "optimizer.schedule_epochs": (0, 10_000),
    "model.cross_layers": (1, 64),
    "model.cross_rank": (0, 4_096),
    "model.head_weights.view": (0, 1_000),
    "model.head_weights.click": (0, 1_000),
    "model.head_weights.purchase": (0, 1_000),
    "model.head_weights.rating": (0, 1_000),
    "model.rating_threshold": (0, 10),
    "model.min_exposures": (1, 2**62),
    "model.num_positions": (1, 10_000),
    "model.position_dropout": (0, 1),
    "model.context_min_count": (1, 2**31),
    "model.context_max_values": (0, 10_000_000),
    "optimizer.table_l2": (0, 100),
    "training.epochs": (0, 10_000),
    "training.batch_size": (1, 2**24),
    "training.min_steps": (0, 2**31),
    "training.shuffle_buffer": (1, 2**31),
    "training.num_workers": (1, 4_096),
    "training.cpus_per_worker": (0.01, 1_024),
    "training.max_failures": (0, 1_000),
    "training.patience": (0, 10_000),
    "training.validation_users": (0, 2**31),
    "training.validation_candidates": (0, 2**31),
    "training.max_gradient_norm": (0, 1e9),
    "seed": (0, 2**63 - 1),
}
_LEAST: dict[str, dict[str, int]] = {
    "two_tower": {"embedding_dim": 1},
    "neural_cf": {"embedding_dim": 1, "hidden_dim": 2, "num_negatives": 1},
    "content": {"embedding_dim": 1},
    "ranker": {"embedding_dim": 1, "num_negatives": 1},
}
"""Of a kind of model, where its range begins later: a width of 0 is filled in for `sequence` alone."""
_OPEN_WIDTH = 64
"""Whatever is filled in for a width of 0 is a multiple of it."""


def check_setting(name: str, value: Any, hint: Any) -> Any:
    """The value as `hint` has it (a whole number passes for a float), or `ConfigError`."""
    if get_origin(hint) is Literal:
        if value not in get_args(hint):
            raise ConfigError(f"{name} {value!r} is unknown. Use one of: {', '.join(get_args(hint))}.")
        return value
    if get_origin(hint) is tuple:
        if not isinstance(value, list | tuple) or not all(isinstance(v, str) for v in value):
            raise ConfigError(f"{name} must be a list of names; got {value!r}.")
        return tuple(value)
    if hint is float and type(value) is int:
        value = float(value)
    if type(value) is not hint:
        raise ConfigError(f"{name} must be of type {getattr(hint, '__name__', 'object')}; got {value!r}.")
    low, high = _RANGES.get(name, (None, None))
    if low is not None and high is not None and not low <= value <= high:
        raise ConfigError(f"{name} must be {low:g} to {high:g}; got {value}.")
    return value


def check_model(model: ModelConfig) -> None:
    """`ConfigError` for settings that are in range, and that this kind of model cannot be trained with."""
    for name, least in _LEAST.get(model.kind, {}).items():
        drawn = not (isinstance(model, RankerConfig) and model.examples == "exposures")
        if getattr(model, name) < least and (name != "num_negatives" or drawn):
            raise ConfigError(f"model.{name} of a {model.kind} must be {least} or more; got {getattr(model, name)}.")
    if isinstance(model, SequenceConfig) and (model.embedding_dim or _OPEN_WIDTH) % model.num_heads:
        width = model.embedding_dim or f"0, which is filled in as a multiple of {_OPEN_WIDTH}"
        raise ConfigError(
            f"model.num_heads must divide model.embedding_dim; got {model.num_heads}, and a width of {width}. "
            "Each head takes an equal part of it: use 1, 2 or 4 heads, or another width."
        )


def check_validation(model: ModelConfig, num_candidates: int, metric: str) -> None:
    """`ConfigError` when a ranker is to be validated as retrieval models are."""
    if not isinstance(model, RankerConfig):
        return
    for name, value, own in (("candidates", num_candidates, 0), ("metric", metric, "auto")):
        if value != own:
            raise ConfigError(
                f"training.validation_{name} is of retrieval models; got {value} for a ranker, which validates by AUC "
                f"on lists of its own. Leave it {own}."
            )
