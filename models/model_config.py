"""What each family of models can be set to. Plain data: a recipe is read without loading torch.

Unless it says otherwise, a width or count of 0 means "by the size of the data" (`pipelines/learning/scaling.py`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Literal

from models.features import FeatureSpec


@dataclass(frozen=True, slots=True)
class TwoTowerConfig:
    """Width of the tables, and the softmax temperature.

    `tower`: a gated `sum` of a side's features, or beside it a `perceptron` with a hidden layer of `hidden_dim`. `auto`
    is the perceptron where events have an order, and the sum for sets, which a perceptron learns by heart.

    `unknown_share`: share of examples whose user is taken as unknown, so that what is not the id learns to do without
    it, and the reserved rows learn to stand for newcomers.
    """

    kind: ClassVar[str] = "two_tower"
    embedding_dim: int = 64
    tower: Literal["auto", "sum", "perceptron"] = "auto"
    hidden_dim: int = 128
    temperature: float = 0.1
    unknown_share: float = 0.75


@dataclass(frozen=True, slots=True)
class SequenceConfig:
    """A causal transformer. `block` is SASRec's attention or HSTU's; `num_negatives` 0 is the full softmax."""

    kind: ClassVar[str] = "sequence"
    embedding_dim: int = 0
    num_layers: int = 2
    num_heads: int = 2
    block: Literal["attention", "hstu"] = "attention"
    loss: Literal["sampled_softmax", "gbce"] = "sampled_softmax"
    num_negatives: int = 512
    gbce_calibration: float = 0.75
    dropout: float = 0.2


@dataclass(frozen=True, slots=True)
class NeuralCFConfig:
    """Widths of the factorisation and of the perceptron, and how many negatives are drawn for each positive.

    `unknown_share`: share of examples whose user is taken as unknown, so that newcomers have trained rows.
    """

    kind: ClassVar[str] = "neural_cf"
    embedding_dim: int = 64
    hidden_dim: int = 128
    num_negatives: int = 4
    unknown_share: float = 0.05


@dataclass(frozen=True, slots=True)
class AlsConfig:
    """Implicit-feedback matrix factorisation. An event weighs 1 + `alpha`, its absence 1.

    `regularization` is that of one event: each row's ridge grows with its events. 0 means "by the size of the data"
    for these two and the factors (`pipelines/learning/fitting/als.py`). `recency_half_life`: when users are folded in,
    the weight of a history event halves every so many events before the newest; 0: of 5 where events are learned from
    in the order of their times, and of none where they are not.
    """

    kind: ClassVar[str] = "als"
    factors: int = 0
    regularization: float = 0.0
    alpha: float = 0.0
    recency_half_life: float = 0.0


@dataclass(frozen=True, slots=True)
class ItemKnnConfig:
    """What having an item says for another. `num_neighbours` are kept for each item; 0: 300 of `ease`, else 100.

    `similarity`: `ease` solves for all pairs together, with the ridge `regularization` (0: by the number of events);
    the others look at the users that two items share. `auto`: `ease` where the items with events are few enough for
    it (`pipelines/learning/fitting/ease.py`), `tfidf` where they are not. `shrinkage`: so many events must two items
    share before their likeness counts for much (not in ease and bm25).

    `recency_half_life` is that of `AlsConfig`.
    """

    kind: ClassVar[str] = "item_knn"
    similarity: Literal["auto", "ease", "cosine", "tfidf", "bm25"] = "auto"
    num_neighbours: int = 0
    regularization: float = 0.0
    shrinkage: float = 10.0
    recency_half_life: float = 0.0


@dataclass(frozen=True, slots=True)
class ContentConfig:
    """Text of items as vectors. `encoder` is `tfidf`, or `module:factory` of any sentence encoder on this machine.

    The factory is called with `encoder_path` (when it is given) and returns an object whose `encode(texts)` gives
    [len(texts), dim]. `embedding_dim` and `max_terms`: what TF-IDF is reduced to, and how many terms it keeps.
    `label_weight`: weight of categories and tags against 1 for title and description together.
    `supervised`: where there are events, learn from them what of the text matters. `recency_half_life`: the
    weight of a history event halves every so many events before the newest; 0: all weigh 1.
    """

    kind: ClassVar[str] = "content"
    encoder: str = "tfidf"
    encoder_path: str = ""
    embedding_dim: int = 256
    max_terms: int = 50_000
    label_weight: float = 1.0
    supervised: bool = True
    recency_half_life: float = 0.0


@dataclass(frozen=True, slots=True)
class HybridConfig:
    """Late fusion. `sources` are recipes or recipe files, each trained on the same data; none: what the data is for."""

    kind: ClassVar[str] = "hybrid"
    sources: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class HeadWeights:
    """The final logit is the sum of weight × logit over the heads. A head of weight 0 is not trained."""

    view: float = 0.1
    click: float = 1.0
    purchase: float = 1.0
    rating: float = 0.5


@dataclass(frozen=True, slots=True)
class RankerConfig:
    """How features meet (`interaction`), the layers behind them, what is learned from, and how heads add up.

    `cross_rank` 0: full matrices. `rating_threshold`: a rating at or above it is a good one.

    `examples` auto: exposures, once the lake has `min_exposures` of them, else events with `num_negatives` sampled
    negatives each. `num_positions`: places of a list with a bias of their own; later ones share the last. A value of
    a context field needs `context_min_count` exposures for a row of its own, and the `context_max_values` most
    frequent have one.
    """

    kind: ClassVar[str] = "ranker"
    embedding_dim: int = 32
    interaction: Literal["dlrm", "dcn_v2"] = "dcn_v2"
    cross_layers: int = 2
    cross_rank: int = 32
    cross_layout: Literal["parallel", "stacked"] = "parallel"
    hidden_dim: int = 128
    num_layers: int = 2
    dropout: float = 0.1
    batch_norm: bool = True
    head_weights: HeadWeights = field(default_factory=HeadWeights)
    rating_threshold: float = 4.0
    examples: Literal["auto", "exposures", "interactions"] = "auto"
    min_exposures: int = 1_000
    num_negatives: int = 8
    num_positions: int = 50
    position_dropout: float = 0.1
    context_min_count: int = 3
    context_max_values: int = 10_000


NetConfig = TwoTowerConfig | SequenceConfig | NeuralCFConfig | RankerConfig
"""Families trained by gradient on Ray Train."""
FitConfig = AlsConfig | ItemKnnConfig | ContentConfig | HybridConfig
"""Families fitted in one task."""
ModelConfig = NetConfig | FitConfig


@dataclass(frozen=True, slots=True)
class TableSizes:
    """Rows of each embedding table, and how many fields of context share the table of contexts."""

    users: int
    items: int
    countries: int
    categories: int
    profiles: int
    words: int
    contexts: int = 0
    context_fields: int = 0

    @classmethod
    def of(
        cls, spec: FeatureSpec, num_users: int, num_items: int, contexts: int = 0, context_fields: int = 0
    ) -> TableSizes:
        """Sizes for a spec. `num_users`: rows of the known ones; those reserved for the others come on top."""
        return cls(
            num_users + spec.user_buckets,
            num_items,
            spec.country_buckets,
            spec.category_buckets,
            spec.profile_buckets,
            spec.word_buckets,
            contexts,
            context_fields,
        )
