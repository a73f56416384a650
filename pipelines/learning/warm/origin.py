"""What a run begins from when not from nothing, and the corpus of an incremental one. `origin.json` keeps it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
import ray
import ray.data
from ray.data import Dataset
from ray.data.block import BlockAccessor

from cluster.commands.console import say
from cluster.delta.lake import Lake
from models.errors import ConfigError, InputError
from models.model_config import FitConfig
from pipelines.learning.data.corpus import Corpus, split_of
from pipelines.learning.data.split import TRAIN
from pipelines.learning.runs.run_folder import read_json
from pipelines.learning.scaling import as_before
from pipelines.learning.warm.refresh import fresh_events, fresh_recommendations, refresh_split
from pipelines.learning.warm.source import Source
from pipelines.learning.warm.warm_start import tally
from pipelines.recipes import Recipe

ORIGIN = "origin.json"


@dataclass(frozen=True, slots=True)
class Origin:
    """A finished run or a bundle by its address. `refresh`: train only on what is new since its snapshot."""

    uri: str
    refresh: bool = False


def check_can_begin(recipe: Recipe) -> None:
    """`ConfigError` for a recipe that is fitted anew and begins from no other run (`als` and its like, `hybrid`)."""
    if isinstance(recipe.model, FitConfig):
        raise ConfigError(f"{recipe.name} is made anew each time. Leave out --from and --since.")


def begun_from(run_uri: str) -> Origin | None:
    """The origin of a run that was begun before, None when it began from nothing."""
    written = read_json(run_uri, ORIGIN)
    return None if written is None else Origin(written["from"], written["refresh"])


def begun_with(recipe: Recipe, source: Source, lake: Lake, *, refresh: bool) -> Recipe:
    """The recipe with the source's settings where it has none of its own.

    A source that was refitted has learned what validates. Its weights cannot be validated by that again, so a run on
    every event holds nothing out but the tests; a refresh validates on what is new (`refresh.RefreshSplit`).
    """
    recipe = as_before(recipe, source.recipe)
    had_seen = not source.recipe.split.validation and source.data["lake"] == lake.uri
    if refresh or not had_seen or not recipe.split.validation:
        return recipe
    say(f"{recipe.name}: {source.uri} has learned what would validate, so {recipe.training.epochs} epochs without")
    return replace(recipe, split=replace(recipe.split, validation=False))


def describe_origin(origin: Origin, source: Source, corpus: Corpus) -> dict[str, Any]:
    """The body of `origin.json`."""
    return {
        "from": origin.uri,
        "refresh": origin.refresh,
        "weights": source.weights,
        "optimizer_states": any(name.startswith("state|") for name in source.tensors),
        "versions": source.data["versions"],
        "items": tally(source.item_ids, corpus.items.ids),
        "users": tally(source.user_ids, corpus.users.ids),
    }


def refreshed(corpus: Corpus, recipe: Recipe, lake: Lake, source: Source) -> Corpus:
    """The corpus with every event that the source was trained on as context; counts and vocabularies stay whole."""
    if source.data["lake"] != lake.uri:
        raise ConfigError(f"{source.uri} was trained on lake {source.data['lake']}, and this one is {lake.uri}.")
    versions = source.data["versions"]
    earlier = split_of(source.recipe.split, lake.pinned(versions))
    fresh, shown = fresh_events(lake, versions), fresh_recommendations(lake, versions)
    return replace(corpus, split=refresh_split(corpus.split, earlier, fresh, shown))


def with_training_events(encoded: Dataset) -> tuple[Dataset, int]:
    """The sequences that hold a training event, in their order, and the number of those events."""
    refs = [_trained_on.options(num_returns=2).remote(block) for block in encoded.to_arrow_refs()]
    num_events = sum(ray.get([count for _, count in refs]))
    if not num_events:
        raise InputError(
            "none of the new events is to be trained on: they are repeats, dislikes, or held out. Wait for more."
        )
    return ray.data.from_arrow_refs([block for block, _ in refs]), num_events


@ray.remote(num_cpus=0.1)  # type: ignore[untyped-decorator]
def _trained_on(block: pa.Table) -> tuple[pa.Table, int]:
    sequences = BlockAccessor.for_block(block)  # it knows how Ray Data lays lists out in Arrow
    counts = np.asarray([(np.asarray(labels) == TRAIN).sum() for labels in sequences.to_numpy("labels")], np.int64)
    return sequences.take(pa.array(np.flatnonzero(counts))), int(counts.sum())
