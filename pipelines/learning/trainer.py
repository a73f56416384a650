"""A training run from lake to export, whichever family the recipe's model is of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from ray.data import Dataset
from ray.train import UserCallback

from cluster.console import say
from cluster.lake import Lake
from models.errors import ConfigError, InputError
from models.model_config import FitConfig, HybridConfig
from pipelines.learning.corpus import load_corpus
from pipelines.learning.encoding import encoded_sequences, order_of
from pipelines.learning.examples import Order, examples_of, expand
from pipelines.learning.fitting.task import fit_in_task
from pipelines.learning.fusing import train_hybrid
from pipelines.learning.net_training import train_net
from pipelines.learning.objectives.objective import HeldOut
from pipelines.learning.origin import ORIGIN, Origin, begun_from, describe_origin, refreshed, with_training_events
from pipelines.learning.progress_bar import OnEpoch, following
from pipelines.learning.run_folder import begin, new_run_id, read_json, run_uri, write_json
from pipelines.learning.scaling import scaled
from pipelines.learning.source import read_source
from pipelines.learning.split import VALIDATION
from pipelines.recipes import Recipe, to_dict


@dataclass(frozen=True, slots=True)
class TrainedRun:
    """A finished run; `epochs` holds the metrics of each."""

    run_id: str
    uri: str
    epochs: list[dict[str, float]]


def train(
    recipe: Recipe,
    lake: Lake,
    runs_uri: str,
    *,
    run_id: str | None = None,
    on_epoch: OnEpoch | None = None,
    callbacks: Sequence[UserCallback] = (),
    origin: Origin | None = None,
) -> TrainedRun:
    """Train `recipe` on the lake as of now. A `run_id` that was interrupted goes on, on the data it was begun with.

    `origin`: the finished run or bundle that this one begins from.
    """
    run_id = run_id or new_run_id(recipe.name)
    uri = run_uri(runs_uri, run_id)
    begun = read_json(uri, "data.json")
    say(f"{recipe.name}: reading the lake")
    pinned = lake.pinned(begun["versions"] if begun else None)
    corpus = load_corpus(recipe, pinned)
    origin = begun_from(uri) if begun else origin
    if origin and isinstance(recipe.model, FitConfig):
        raise ConfigError(f"{recipe.name} is fitted anew each time, in seconds. Leave out --from and --since.")
    source = read_source(origin.uri, recipe) if origin else None
    if source and origin and origin.refresh:
        corpus = refreshed(corpus, recipe, pinned, source)
    if not corpus.ordered:
        recipe = replace(recipe, features=replace(recipe.features, recent_length=0))
    num_examples = int(corpus.items.counts.sum())
    recipe = scaled(recipe, num_examples)
    if num_examples == 0 and recipe.needs_events:
        raise InputError("the training part of the split is empty. Use more data, or a longer log.")
    say(f"{recipe.name}: {num_examples:,} examples of {len(corpus.users):,} users and {len(corpus.items):,} items")
    encoded = encoded_sequences(recipe, corpus)
    held_out = _held_out(recipe, encoded, order_of(recipe, corpus))
    if origin and origin.refresh:
        encoded, num_examples = with_training_events(encoded)
        say(f"{recipe.name}: {num_examples:,} of them are new since {origin.uri}")
    begin(uri, to_dict(recipe), corpus.snapshot)
    if source and origin:
        write_json(uri, ORIGIN, describe_origin(origin, source, corpus))
    with following(uri, recipe.name, recipe.training.epochs, on_epoch):
        if isinstance(recipe.model, HybridConfig):
            train_hybrid(recipe, corpus, held_out, pinned, uri, callbacks, train)
        elif isinstance(recipe.model, FitConfig):
            fit_in_task(recipe, corpus, encoded, held_out, uri, callbacks)
        else:
            train_net(recipe, corpus, encoded, held_out, order_of(recipe, corpus), uri, callbacks, num_examples, source)
    return TrainedRun(run_id, uri, read_json(uri, "metrics.json"))


def _held_out(recipe: Recipe, encoded: Dataset, order: Order) -> HeldOut | None:
    """Up to `validation_users` validation examples, with all the user had seen before each."""
    if recipe.split.protocol == "none" or not recipe.split.validation or recipe.training.validation_users == 0:
        return None
    length, limit = recipe.features.history_length, recipe.training.validation_users
    columns: dict[str, list[Any]] = {}
    seen: list[Any] = []
    for block in encoded.iter_batches(batch_size=256, batch_format="numpy"):
        part = expand(block, length, VALIDATION, order)
        for name, values in part.items():
            columns.setdefault(name, []).append(values)
        for rows, labels in zip(block["item_rows"], block["labels"], strict=True):
            for at in np.flatnonzero(labels == VALIDATION):
                before = rows[:at] if order == "time" else rows[labels < VALIDATION]
                seen.append(before[before != rows[at]])
        if len(seen) >= limit:
            break
    if not columns:
        return None
    examples = examples_of({name: np.concatenate(parts) for name, parts in columns.items()})
    return HeldOut(examples.take(slice(limit)), seen[:limit]) if len(examples) else None
