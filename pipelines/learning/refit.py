"""Refitting: once validation has said how long to train, train again on the validation events too.

The newest event of a user is often the one that validates, and it says the most of what comes next. A first run, kept
in `selection/` of the run, holds it out and stops early; the run itself then learns from it for as many epochs.
"""

from __future__ import annotations

from dataclasses import replace

from models.errors import NotFoundError
from pipelines.learning.runs.records import best_of
from pipelines.learning.runs.run_folder import read_json
from pipelines.recipes import Recipe, from_dict

SELECTION = "selection"


def wants_refit(recipe: Recipe) -> bool:
    """True when the recipe asks for a refit and something validates."""
    validates = recipe.split.protocol != "none" and recipe.split.validation and recipe.training.validation_users > 0
    return recipe.training.refit and validates


def selecting(recipe: Recipe) -> Recipe:
    """The recipe for a run that is only to say how good it is."""
    return replace(recipe, training=replace(recipe.training, refit=False))


def refitted(chosen_uri: str) -> Recipe:
    """The recipe of a finished run, its open settings filled in, for its best number of epochs on all but the tests.

    Learning rates go as they went in that run, up to its best epoch.
    """
    config = read_json(chosen_uri, "config.json")
    if config is None:
        raise NotFoundError(f"there is no finished run {chosen_uri} to refit. Train again under a new run id.")
    chosen = from_dict(config)
    records = read_json(chosen_uri, "metrics.json")
    best = best_of([int(record["epoch"]) for record in reversed(records)], records, chosen.metric)
    assert best is not None  # a run without an epoch has not finished
    training = replace(chosen.training, epochs=best, patience=0, refit=False)
    schedule_epochs = chosen.optimizer.schedule_epochs or chosen.training.epochs
    return replace(
        chosen,
        training=training,
        optimizer=replace(chosen.optimizer, schedule_epochs=schedule_epochs),
        split=replace(chosen.split, validation=False),
    )
