"""What training starts from: encoded sequences, held-out examples, and the recipe with its open settings filled in."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from ray.data import Dataset

from cluster.commands.console import say
from cluster.delta.lake import Lake
from models.contexts import ContextVocabulary
from models.errors import InputError
from models.model_config import RankerConfig, SequenceConfig, TableSizes
from models.seeds import generator
from pipelines.learning.data.corpus import Corpus
from pipelines.learning.data.encoding import encoded_sequences, in_order, order_of
from pipelines.learning.data.example_pool import expand
from pipelines.learning.data.examples import Block, Order, examples_of
from pipelines.learning.data.held_out import HeldOut, unseen
from pipelines.learning.data.known import Known
from pipelines.learning.data.split import VALIDATION
from pipelines.learning.data.targets import any_targets
from pipelines.learning.impressions.ranking import held_out_impressions, prepare_ranking
from pipelines.learning.scaling import scaled
from pipelines.recipes import Recipe

_EXAMPLES_OF_A_USER = 5
"""More of one user say little more, and rank the whole catalogue each."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """`encoded`: blocks of sequences (of impressions for a ranker of exposures); `num_examples`: what they train on."""

    recipe: Recipe
    corpus: Corpus
    encoded: Dataset
    held_out: HeldOut | None
    num_examples: int

    @property
    def order(self) -> Order:
        """What the order of a user's events means to an example."""
        return order_of(self.recipe, self.corpus)

    def known(self) -> Known:
        """What a net is built for."""
        spec, items = self.recipe.features, self.corpus.items
        sizes = table_sizes(self.recipe, self.corpus)
        return Known(sizes, items.features(spec), items.counts, spec, self.order, self.corpus.ranking)


def prepare(recipe: Recipe, corpus: Corpus, lake: Lake) -> Prepared:
    """Encode a corpus of the pinned lake for a recipe; `InputError` when there is nothing to train on."""
    num_examples = int(corpus.items.counts.sum())
    recipe = scaled(recipe, num_examples, order_of(recipe, corpus))
    if num_examples == 0 and recipe.needs_events:
        raise InputError("the training part of the split is empty. Use more data, or a longer log.")
    say(f"{recipe.name}: {num_examples:,} examples of {len(corpus.users):,} users and {len(corpus.items):,} items")
    if isinstance(recipe.model, RankerConfig):
        ranking = prepare_ranking(recipe, corpus, lake)
        recipe, corpus = ranking.applied(recipe), replace(corpus, ranking=ranking.facts)
        num_examples = ranking.facts.num_examples
        if ranking.encoded is not None:
            encoded = in_order(ranking.encoded)
            held_out = held_out_impressions(recipe.features, encoded, limit=recipe.training.validation_users)
            return Prepared(recipe, corpus, encoded, held_out, num_examples)
    encoded = encoded_sequences(recipe, corpus)
    if isinstance(recipe.model, SequenceConfig) and not any_targets(encoded):
        raise InputError(
            "no user has a training event that comes after another, so there is no order to learn. Hold out less "
            "(--set split.validation=false, or split.protocol=none), or take a recipe that needs none: als"
        )
    prepared = Prepared(recipe, corpus, encoded, None, num_examples)
    return replace(prepared, held_out=_held_out(recipe, encoded, prepared.order, len(corpus.items)))


def _held_out(recipe: Recipe, encoded: Dataset, order: Order, num_items: int) -> HeldOut | None:
    """The validation examples of up to `validation_users` users, with all the user had seen before each."""
    room = recipe.training.validation_users
    if recipe.split.protocol == "none" or not recipe.split.validation or room == 0:
        return None
    columns: dict[str, list[Any]] = {}
    seen: list[Any] = []
    weights: list[float] = []
    for block in encoded.iter_batches(batch_size=256, batch_format="numpy"):
        kept, weights_here, seen_here = validating(block, order, room)
        for name, values in expand(block, recipe.features.history_length, VALIDATION, order).items():
            columns.setdefault(name, []).append(values[kept])
        weights.extend(weights_here)
        seen.extend(seen_here)
        room -= round(sum(weights_here))  # the examples of a user weigh 1 in all
        if room == 0:
            break
    if not seen:
        return None
    examples = examples_of({name: np.concatenate(parts) for name, parts in columns.items()})
    held_out = HeldOut(examples, seen, np.asarray(weights), metric=recipe.training.rank_metric)
    if num := recipe.training.validation_candidates:
        rng = generator(recipe.seed, "validation candidates")
        barred = (np.append(rows, item) for rows, item in zip(seen, examples.items, strict=True))
        held_out = replace(held_out, among=[unseen(rows, num_items, num, rng) for rows in barred])
    return held_out


def validating(block: Block, order: Order, room: int) -> tuple[NDArray[np.bool_], list[float], list[NDArray[np.int32]]]:
    """Which of a block's validation examples are kept, of no more than `room` users; the weight of each that is, and
    the items that it is not ranked against.
    """
    kept: list[bool] = []
    weights: list[float] = []
    seen: list[NDArray[np.int32]] = []
    for rows, labels in zip(block["item_rows"], block["labels"], strict=True):
        found = np.flatnonzero(labels == VALIDATION)
        mine = found[:_EXAMPLES_OF_A_USER] if room else found[:0]
        room -= len(mine) > 0
        kept += [n < len(mine) for n in range(len(found))]
        for at in mine:
            before = rows[:at] if order == "time" else rows[labels < VALIDATION]
            seen.append(before[before != rows[at]])
            weights.append(1.0 / len(mine))
    return np.asarray(kept, bool), weights, seen


def table_sizes(recipe: Recipe, corpus: Corpus) -> TableSizes:
    """Rows of each embedding table for a corpus."""
    contexts = corpus.ranking.contexts if corpus.ranking else ContextVocabulary()
    return TableSizes.of(recipe.features, len(corpus.users), len(corpus.items), contexts.num_rows, len(contexts.fields))
