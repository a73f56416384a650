"""What a ranker is trained on: impressions where the lake has enough of them, else events with sampled negatives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import ray
from ray.data import Dataset

from cluster.commands.console import say
from cluster.delta.lake import Lake
from models.contexts import ContextVocabulary
from models.errors import ConfigError, InputError
from models.features import FeatureSpec
from models.model_config import HeadWeights, RankerConfig
from models.tables import Table
from pipelines.learning.data.corpus import Corpus
from pipelines.learning.data.counts_as_of import CountsAsOf
from pipelines.learning.data.examples import examples_of
from pipelines.learning.data.held_out import HeldOut
from pipelines.learning.data.item_counts import counts_as_of
from pipelines.learning.data.split import VALIDATION
from pipelines.learning.impressions.encoding import encode_impressions_block
from pipelines.learning.impressions.examples import expand_impressions
from pipelines.learning.impressions.impressions import impressions
from pipelines.learning.impressions.ranking_facts import RankingFacts
from pipelines.learning.impressions.tally import ImpressionTally, tally
from pipelines.recipes import Recipe

_ALL = 2**62


@dataclass(frozen=True, slots=True)
class Ranking:
    """`weights`: of the heads that have labels, the others 0. `encoded` None: examples come from events."""

    facts: RankingFacts
    weights: HeadWeights
    encoded: Dataset | None

    def applied(self, recipe: Recipe) -> Recipe:
        """The recipe with the weights of the heads that can be learned."""
        assert isinstance(recipe.model, RankerConfig)
        return replace(recipe, model=replace(recipe.model, head_weights=self.weights))


def prepare_ranking(recipe: Recipe, corpus: Corpus, lake: Lake) -> Ranking:
    """Choose the examples and count what they hold; `ConfigError` or `InputError` when no head could learn."""
    config = recipe.model
    assert isinstance(config, RankerConfig)
    popularity = popularity_as_of(corpus)
    num_exposures = lake.num_rows(Table.EXPOSURES)
    if config.examples == "interactions" or (config.examples == "auto" and num_exposures < config.min_exposures):
        if config.examples == "auto" and num_exposures:
            say(f"{recipe.name}: {num_exposures:,} exposures are too few to learn from; examples come from events")
        facts = RankingFacts(int(corpus.items.counts.sum()), popularity=popularity)
        return Ranking(facts, learned_weights(config.head_weights, {"click": facts.num_examples}), None)
    if not num_exposures:
        raise InputError("the lake holds no exposures. Record some, or use --set model.examples=interactions")
    found = impressions(lake, corpus.split, recipe.seed).materialize()
    counted = tally(found, corpus.items.vocabulary)
    _report(recipe.name, counted, corpus)
    if not counted.num_impressions:
        raise InputError("the training part of the split has no impressions on the home surface. Use a longer log.")
    weights = learned_weights(config.head_weights, counted.labels)
    contexts = ContextVocabulary.count(counted.contexts, config.context_min_count, config.context_max_values)
    facts = RankingFacts(counted.num_impressions, True, popularity, contexts)
    return Ranking(facts, weights, encode_all(found, recipe, corpus, contexts))


def popularity_as_of(corpus: Corpus) -> CountsAsOf | None:
    """Counts by period; None for a log without times, or all of one moment."""
    return counts_as_of(corpus.sequences, corpus.split, corpus.items.vocabulary) if corpus.ordered else None


def encode_all(found: Dataset, recipe: Recipe, corpus: Corpus, contexts: ContextVocabulary) -> Dataset:
    """Impressions as rows, in the one order of their blocks."""
    options = {
        "items": ray.put(corpus.items.vocabulary),
        "users": ray.put(corpus.users),
        "contexts": contexts,
        "spec": recipe.features,
    }
    return found.map_batches(
        encode_impressions_block, batch_format="pyarrow", batch_size=None, fn_kwargs=options
    ).materialize()


def held_out_impressions(
    spec: FeatureSpec, encoded: Dataset, part: int = VALIDATION, limit: int = _ALL
) -> HeldOut | None:
    """Up to `limit` impressions of the part; None without any."""
    columns: dict[str, list[Any]] = {}
    held = 0
    for block in encoded.iter_batches(batch_size=256, batch_format="numpy") if limit else ():
        made = expand_impressions(block, spec.history_length, part)
        held += len(made.get("item", ()))
        for name, values in made.items():
            columns.setdefault(name, []).append(values)
        if held >= limit:
            break
    if not held:
        return None
    examples = examples_of({name: np.concatenate(parts) for name, parts in columns.items()}).take(slice(limit))
    return HeldOut(examples, [np.zeros(0, np.int32)] * len(examples))


def learned_weights(weights: HeadWeights, labels: Mapping[str, int]) -> HeadWeights:
    """The weights of heads with labels, 0 for the others; `ConfigError` when nothing is left."""
    kept = {name: weight if labels.get(name) else 0.0 for name, weight in asdict(weights).items()}
    if not any(kept.values()):
        have = ", ".join(name for name, count in labels.items() if count) or "none"
        raise ConfigError(f"no head with labels has a weight (with labels: {have}). Set one: model.head_weights.click")
    return HeadWeights(**kept)


def _report(name: str, counted: ImpressionTally, corpus: Corpus) -> None:
    say(f"{name}: {counted.num_impressions:,} impressions to learn from")
    if without := [head for head, count in counted.labels.items() if not count]:
        say(f"{name}: no labels for {', '.join(without)}: not learned, and left out of the final score")
    ignored = {
        "answers to nothing that was shown": counted.num_unmatched,
        "impressions of items that the catalogue lacks": counted.num_unknown_items,
        "contexts that are no JSON object of strings": counted.num_bad_contexts,
    }
    for what, count in ignored.items():
        if count:
            say(f"warning: {name}: ignored {count:,} {what}")
