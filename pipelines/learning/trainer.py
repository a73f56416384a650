"""A training run from lake to export, whichever family the recipe's model is of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from ray.train import UserCallback

from cluster.commands.console import say
from cluster.delta.erasure import was_erased
from cluster.delta.lake import Lake
from cluster.privacy.vocabulary_erasure import drop_learned
from cluster.storage import Folder, join
from models.errors import ShoalError
from models.model_config import FitConfig, HybridConfig
from pipelines.learning.data.corpus import load_corpus
from pipelines.learning.fitting.task import fit_in_task
from pipelines.learning.fusing import train_hybrid
from pipelines.learning.net_training import train_net
from pipelines.learning.preparing import prepare
from pipelines.learning.refit import SELECTION, refitted, selecting, wants_refit
from pipelines.learning.runs.progress_bar import OnEpoch, following
from pipelines.learning.runs.run_folder import FINISHED, begin, new_run_id, read_json, run_uri, write_json
from pipelines.learning.warm.origin import (
    ORIGIN,
    Origin,
    begun_from,
    begun_with,
    check_can_begin,
    describe_origin,
    refreshed,
    with_training_events,
)
from pipelines.learning.warm.source import read_source
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
    """Train `recipe` on the lake as of now.

    A `run_id` that was interrupted goes on, on the data it was begun with; one that has finished is returned as it is.
    `origin`: the finished run or bundle that this one begins from; such a run is not refitted.
    """
    run_id = run_id or new_run_id(recipe.name)
    uri = run_uri(runs_uri, run_id)
    if read_json(uri, FINISHED) is not None:
        say(f"run {run_id} has finished before; nothing is trained again")
        return TrainedRun(run_id, uri, read_json(uri, "metrics.json"))
    selection = join(uri, SELECTION)
    begun = read_json(uri, "data.json") or read_json(selection, "data.json")
    pinned = lake.pinned(begun["versions"] if begun else None)
    pinned.check_readable()
    origin = begun_from(uri) or origin
    if wants_refit(recipe) and origin is None:
        train(selecting(recipe), pinned, uri, run_id=SELECTION, on_epoch=on_epoch, callbacks=callbacks)
        recipe = refitted(selection)
        say(f"{recipe.name}: once more on the validation events too, {recipe.training.epochs} epochs")
    say(f"{recipe.name}: reading the lake")
    if origin:
        check_can_begin(recipe)
    source = read_source(origin.uri, recipe) if origin else None
    if source and origin:
        recipe = begun_with(recipe, source, pinned, refresh=origin.refresh)
    corpus = load_corpus(recipe, pinned)
    if source and origin and origin.refresh:
        corpus = refreshed(corpus, recipe, pinned, source)
    prepared = prepare(recipe, corpus, pinned)
    if origin and origin.refresh:
        encoded, num_examples = with_training_events(prepared.encoded)
        prepared = replace(prepared, encoded=encoded, num_examples=num_examples)
        say(f"{recipe.name}: {num_examples:,} of them are new since {origin.uri}")
    begin(uri, to_dict(prepared.recipe), corpus.snapshot)
    if source and origin:
        write_json(uri, ORIGIN, describe_origin(origin, source, corpus))
    with following(uri, recipe.name, prepared.recipe.training.epochs, on_epoch):
        if isinstance(recipe.model, HybridConfig):
            train_hybrid(prepared, pinned, uri, callbacks, train)
        elif isinstance(recipe.model, FitConfig):
            fit_in_task(prepared, uri, callbacks)
        else:
            train_net(prepared, uri, callbacks, source)
    if was_erased(pinned):  # the erasure searched this run before its export was there
        drop_learned(Folder(uri))
        raise ShoalError(
            f"run {run_id} was trained on a lake that an erasure has changed since; what it learned is dropped. "
            "Train again under a new run id."
        )
    done = TrainedRun(run_id, uri, read_json(uri, "metrics.json"))
    write_json(uri, FINISHED, {"epochs": len(done.epochs)})
    return done
