"""Training a hybrid: every source on the same data, then their weights on validation users."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ray.train import UserCallback

from cluster.commands.console import say
from cluster.delta.lake import Lake
from cluster.storage import Folder, join
from models.errors import ConfigError
from models.item_table import ItemTable
from models.model_config import HybridConfig
from models.retrievers.hybrid import FUSION_FILE, SOURCES_FOLDER, HybridRetriever, save_fusion
from models.retrievers.loading import load_sources
from models.tables import Table
from pipelines.learning.fitting.item_texts import read_texts
from pipelines.learning.fitting.reporting import RunReporter
from pipelines.learning.fitting.validation import validation_score
from pipelines.learning.fusion_weights import learn_weights
from pipelines.learning.preparing import Prepared
from pipelines.learning.refit import SELECTION, refitted
from pipelines.learning.runs.export import export, save_retrieval
from pipelines.learning.runs.run_folder import read_json
from pipelines.recipes import Recipe, load_recipe

_SHARED_FILES = ("items.parquet", "users.parquet", "popular.parquet")

Train = Callable[..., Any]


def train_hybrid(prepared: Prepared, lake: Lake, uri: str, callbacks: Sequence[UserCallback], train: Train) -> None:
    """Train the sources as runs below this one, so that what was done of them is kept, and write `export/`.

    A source that weighs nothing is in no export, and no refit trains it.
    """
    recipe, corpus, held_out = prepared.recipe, prepared.corpus, prepared.held_out
    assert isinstance(recipe.model, HybridConfig)
    if held_out is not None:
        names = recipe.model.sources or default_sources(corpus.ordered, corpus.items, lake)
        sources = source_recipes(names, recipe)
    elif (fusion := read_json(join(uri, SELECTION, "export"), FUSION_FILE)) is not None:
        sources = {name: refitted(join(uri, SELECTION, "sources", name)) for name in fusion["sources"]}
    else:
        raise ConfigError("a hybrid learns its weights on validation users, and there are none. Use another split.")
    runs = {name: train(source, lake, join(uri, "sources"), run_id=name).uri for name, source in sources.items()}
    started = time.monotonic()

    def write(out: Path) -> None:
        for name, run in runs.items():
            _copy(Folder(run).child("export"), out / SOURCES_FOLDER / name)
        save_retrieval(out, recipe, corpus)
        reporter, retriever = RunReporter(uri, callbacks), HybridRetriever(*load_sources(out, list(runs), corpus.items))
        if held_out is None:
            save_fusion(out, list(runs), fusion["weights"])
            reporter.record(1, 0, time.monotonic() - started)
            return
        weights = learn_weights(retriever, held_out)
        say(f"{recipe.name}: weights " + ", ".join(f"{n} {w:.2f}" for n, w in zip(runs, weights, strict=False)))
        fused = retriever.weighed(weights).without_idle()
        for name in [name for name in runs if name not in fused.names]:
            say(f"{recipe.name}: {name} weighs nothing and is left out")
            shutil.rmtree(out / SOURCES_FOLDER / name)
        save_fusion(out, fused.names, fused.weights.tolist())
        scores = validation_score(fused, held_out)
        reporter.record(1, len(held_out.examples), time.monotonic() - started, **scores)

    export(uri, write)


def default_sources(ordered: bool, items: ItemTable, lake: Lake) -> tuple[str, ...]:
    """Every recipe that the data has something for: sequences need an order, content needs texts."""
    nets = ("sequence",) if ordered else ("two_tower",)
    texts = lake.exists(Table.ITEMS) and any(read_texts(lake, items).sentences())
    return (*nets, "als", "item_knn", *(("content",) if texts else ()))


def source_recipes(names: Sequence[str], hybrid: Recipe) -> dict[str, Recipe]:
    """Each source by what its run and its folder are called: a recipe's name, or that of its file without `.json`."""
    sources: dict[str, Recipe] = {}
    for name in names:
        run = Path(name).stem
        if run in sources:
            raise ConfigError(f"model.sources has two sources called {run!r}. Leave one out, or rename its file.")
        sources[run] = source_recipe(name, hybrid)
    return sources


def source_recipe(name: str, hybrid: Recipe) -> Recipe:
    """A source's own recipe on the hybrid's split and seed; `ConfigError` for one that finds no candidates."""
    recipe = load_recipe(name)
    if recipe.model.kind in ("ranker", "hybrid"):
        raise ConfigError(f"{name} cannot be a source of a hybrid. Use retrieval recipes in model.sources.")
    features = recipe.features.with_buckets_of(hybrid.features)
    validation_users = max(recipe.training.validation_users, hybrid.training.validation_users)
    training = replace(
        recipe.training,
        validation_users=validation_users,
        validation_candidates=hybrid.training.validation_candidates,
        validation_metric=hybrid.training.validation_metric,
        refit=False,
    )
    return replace(recipe, features=features, split=hybrid.split, seed=hybrid.seed, training=training)


def _copy(export_of: Folder, target: Path) -> None:
    for name in export_of.files():
        if name not in _SHARED_FILES:
            export_of.download(name, target / name)
