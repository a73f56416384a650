"""Named recipes: a function a recipe, each returning the whole typed configuration of a run."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any, Literal, get_args, get_type_hints

from models.errors import ConfigError
from models.features import FeatureSpec
from models.metrics import RankMetric
from models.model_config import (
    AlsConfig,
    ContentConfig,
    HybridConfig,
    ItemKnnConfig,
    ModelConfig,
    NeuralCFConfig,
    RankerConfig,
    SequenceConfig,
    TwoTowerConfig,
)
from pipelines.learning.data.split import SplitConfig
from pipelines.overrides import apply_overrides, unknown_key
from pipelines.setting_checks import check_model, check_setting, check_validation

_MIN_STEPS = 3_000


@dataclass(frozen=True, slots=True)
class OptimizerConfig:
    """AdamW for the dense layers; for the tables row-wise Adagrad, fused into the backward pass, or Adam.

    `table_optimizer` `adam` steps whole tables on CPU, a copy on every worker: for tables of up to some 100,000
    rows. On CUDA it is fused, and tables are sharded by rows or columns. `weight_decay` is of the dense layers.
    `table_l2`: weight of half the squared norm of the tables in the loss. Adam steps whole tables, so that it holds
    every row at every step; row-wise Adagrad only those that a batch looks up.

    Both learning rates rise from 0 over `warmup_steps` (a tenth of the run at most), and `cosine` or `linear` brings
    them to 0 by the end of `schedule_epochs`; 0: of the last epoch.
    """

    table_learning_rate: float = 0.05
    dense_learning_rate: float = 1e-3
    table_optimizer: Literal["rowwise_adagrad", "adam"] = "rowwise_adagrad"
    table_l2: float = 0.0
    weight_decay: float = 0.0
    warmup_steps: int = 0
    schedule: Literal["constant", "cosine", "linear"] = "constant"
    schedule_epochs: int = 0


@dataclass(frozen=True, slots=True)
class TrainingConfig:
    """How long and on what. `batch_size` and `shuffle_buffer` count examples a worker.

    `epochs` 0: as many as the size of the data asks for (`pipelines/learning/scaling.py`).
    `patience`: epochs without a better validation NDCG before the run ends; 0 never ends early.
    `max_gradient_norm`: global norm of the dense layers' gradient that is not exceeded; 0 clips nothing. A fused table
    has no gradient as a whole, so each element of what flows into it is cut to that size instead.
    `min_steps`: on a log so small that a run takes fewer steps, batches shrink, to 256 at least; 0 never shrinks them.
    `validation_candidates`: a retrieval model's held-out item is ranked against so many items that the user has not
    seen, drawn uniformly (the protocol of He et al., 2017, section 4.1); 0: against the whole catalogue.
    `validation_metric`: what validation chooses by; `auto` is NDCG@10 of a retrieval model, and the AUC of a ranker,
    which has no other.
    `refit`: once validation has ended a run, train anew for as many epochs on the validation events too.
    `precision`: `auto` is bfloat16 autocast of the dense layers on CUDA and float32 on CPU.
    """

    epochs: int = 3
    batch_size: int = 1024
    min_steps: int = 0
    shuffle_buffer: int = 131_072
    num_workers: int = 2
    cpus_per_worker: float = 0.5
    max_failures: int = 3
    patience: int = 2
    validation_users: int = 2_000
    validation_candidates: int = 0
    validation_metric: Literal["auto", RankMetric] = "auto"
    refit: bool = False
    max_gradient_norm: float = 0.0
    precision: Literal["auto", "float32", "bfloat16"] = "auto"

    @property
    def rank_metric(self) -> RankMetric:
        """What a retrieval model validates by."""
        return "ndcg@10" if self.validation_metric == "auto" else self.validation_metric


@dataclass(frozen=True, slots=True)
class Recipe:
    """Everything a training run depends on; it goes whole into the run folder and the manifest."""

    name: str
    model: ModelConfig
    features: FeatureSpec = field(default_factory=FeatureSpec)
    split: SplitConfig = field(default_factory=SplitConfig)
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    training: TrainingConfig = field(default_factory=TrainingConfig)
    seed: int = 2026

    @property
    def metric(self) -> str:
        """Name of the validation score; higher is better."""
        return "auc" if isinstance(self.model, RankerConfig) else self.training.rank_metric

    @property
    def needs_order(self) -> bool:
        """True for a model of sequences, or of what is recent: a log without times cannot be trained on."""
        if isinstance(self.model, AlsConfig | ItemKnnConfig | ContentConfig):
            return self.model.recency_half_life > 0
        return isinstance(self.model, SequenceConfig)

    @property
    def needs_events(self) -> bool:
        """False for a model that a lake of items alone is enough for."""
        return not isinstance(self.model, ContentConfig)


def two_tower() -> Recipe:
    """Candidate retrieval: user and item vectors by sampled softmax."""
    return Recipe(
        "two_tower",
        TwoTowerConfig(),
        features=FeatureSpec(history_length=0),
        training=TrainingConfig(epochs=0, min_steps=_MIN_STEPS, patience=3, validation_users=10_000, refit=True),
    )


def sequence() -> Recipe:
    """Candidate retrieval from the order of events: a causal transformer."""
    return Recipe(
        "sequence",
        SequenceConfig(),
        features=FeatureSpec(history_length=200),
        optimizer=OptimizerConfig(schedule="cosine", warmup_steps=200),
        training=TrainingConfig(
            epochs=0, batch_size=1_536, min_steps=_MIN_STEPS, patience=4, max_gradient_norm=1.0, refit=True
        ),
    )


def als() -> Recipe:
    """Matrix factorisation for implicit feedback: the baseline that is hard to beat. An epoch is an iteration."""
    return Recipe(
        "als",
        AlsConfig(),
        features=FeatureSpec(history_length=1_000),
        training=TrainingConfig(epochs=12, patience=3, cpus_per_worker=1.0, validation_users=10_000, refit=True),
    )


def item_knn() -> Recipe:
    """Items that the same users turn to."""
    return Recipe(
        "item_knn",
        ItemKnnConfig(),
        features=FeatureSpec(history_length=1_000),
        training=TrainingConfig(epochs=1, cpus_per_worker=1.0, refit=True),
    )


def content() -> Recipe:
    """What the text of items says; needs no events at all."""
    return Recipe(
        "content",
        ContentConfig(),
        features=FeatureSpec(history_length=1_000),
        training=TrainingConfig(epochs=1, cpus_per_worker=1.0, refit=True),
    )


def neural_cf() -> Recipe:
    """NeuMF: factorisation and a perceptron side by side."""
    return Recipe(
        "neural_cf",
        NeuralCFConfig(),
        training=TrainingConfig(epochs=20, patience=4, validation_users=500, refit=True),
        optimizer=OptimizerConfig(table_learning_rate=0.1, table_l2=1e-4, schedule="linear"),
    )


def hybrid() -> Recipe:
    """Several sources fused, their weights learned on validation users."""
    return Recipe(
        "hybrid", HybridConfig(), features=FeatureSpec(history_length=1_000), training=TrainingConfig(refit=True)
    )


def ranker() -> Recipe:
    """Ordering of candidates: what was shown and what was done with it, or events with sampled negatives."""
    return Recipe(
        "ranker",
        RankerConfig(),
        features=FeatureSpec(history_length=0),
        training=TrainingConfig(epochs=2),
        optimizer=OptimizerConfig(table_learning_rate=0.03),
    )


RECIPES: dict[str, Callable[[], Recipe]] = {
    recipe.__name__: recipe for recipe in (two_tower, sequence, als, item_knn, content, neural_cf, hybrid, ranker)
}
_MODELS: dict[str, type[ModelConfig]] = {cls.kind: cls for cls in get_args(ModelConfig)}


def load_recipe(name_or_file: str, overrides: Sequence[str] = ()) -> Recipe:
    """A named recipe or a recipe file (JSON), with `a.b=c` overrides applied."""
    if name_or_file in RECIPES:
        return overridden(RECIPES[name_or_file](), overrides)
    if name_or_file.endswith(".json"):
        return overridden(from_dict(_read(Path(name_or_file))), overrides)
    names = ", ".join(RECIPES)
    raise ConfigError(f"recipe {name_or_file!r} is unknown. Use one of {names}, or a recipe file ending in .json.")


def overridden(recipe: Recipe, overrides: Sequence[str]) -> Recipe:
    """The recipe with `a.b=c` overrides; a setting that its file left out is one too, since it has its default."""
    return from_dict(apply_overrides(to_dict(recipe), overrides))


def to_dict(recipe: Recipe) -> dict[str, Any]:
    """Plain nested data, as JSON holds it; `model.kind` tells the two model configurations apart."""
    config = asdict(recipe)
    config["model"] = {"kind": recipe.model.kind, **config["model"]}
    return config


def from_dict(config: dict[str, Any]) -> Recipe:
    """The recipe that `to_dict` made; an unknown key or kind is a `ConfigError`."""
    model = config.get("model", {})
    kind = model.get("kind") if isinstance(model, dict) else model
    if kind not in _MODELS:
        raise ConfigError(f"model.kind {kind!r} is unknown. Use one of: {', '.join(_MODELS)}.")
    widths = {name: value for name, value in model.items() if name != "kind"}
    nested = {**config, "model": _build(_MODELS[kind], widths, "model.")}
    recipe: Recipe = _build(Recipe, nested, "")
    check_model(recipe.model)
    check_validation(recipe.model, recipe.training.validation_candidates, recipe.training.validation_metric)
    return recipe


def _build(cls: Any, values: dict[str, Any], prefix: str) -> Any:
    hints = get_type_hints(cls)
    known = {f.name for f in fields(cls)}
    for name in values:
        if name not in known:
            raise unknown_key(prefix + name, [prefix + k for k in sorted(known)])
    built = {name: _value(hints[name], value, prefix + name) for name, value in values.items()}
    try:
        return cls(**built)
    except TypeError as error:
        raise ConfigError(f"recipe is incomplete: {error}") from None


def _value(hint: Any, value: Any, name: str) -> Any:
    if is_dataclass(value):
        return value
    if is_dataclass(hint) and isinstance(value, dict):
        return _build(hint, value, f"{name}.")
    return check_setting(name, value, hint)


def _read(path: Path) -> dict[str, Any]:
    try:
        config = json.loads(path.read_bytes())
    except OSError as error:
        raise ConfigError(f"recipe file {path} cannot be read: {error.strerror}.") from error
    except ValueError as error:
        raise ConfigError(f"recipe file {path} is not JSON: {error}.") from error
    if not isinstance(config, dict):
        raise ConfigError(f"recipe file {path} holds a {type(config).__name__}; expected an object.")
    return config
