"""What a warm start begins from: a run folder (its best checkpoint) or a bundle (its weights), and the ids."""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from safetensors.torch import load
from torch import Tensor

from cluster.storage import Folder
from models.contexts import ContextVocabulary
from models.errors import ConfigError, NotFoundError
from models.item_table import FILE as ITEMS_FILE
from models.manifest import MANIFEST
from models.model_config import RankerConfig
from models.nets.ranker_net import RANKER
from models.vocabulary import USERS_FILE
from pipelines.learning.engine.checkpoint import Reader
from pipelines.learning.engine.checkpoint_folders import best_epoch, checkpoint_at
from pipelines.learning.runs.run_folder import read_json
from pipelines.recipes import Recipe, from_dict


@dataclass(frozen=True, slots=True)
class Source:
    """`tensors`: weights and optimizer states by their names in a checkpoint; `data`: what it was trained on.

    `recipe`: how. `contexts`: of a ranker, what the rows of its table of contexts stand for.
    """

    uri: str
    weights: str
    recipe: Recipe
    data: dict[str, Any]
    item_ids: list[str]
    user_ids: list[str]
    tensors: dict[str, Tensor]
    contexts: ContextVocabulary = field(default_factory=ContextVocabulary)


def read_source(uri: str, recipe: Recipe) -> Source:
    """Read a finished run or a bundle of the recipe's kind of model."""
    config, data = described(uri, recipe.model.kind)
    kind = config["model"]["kind"]
    if kind != recipe.model.kind:
        raise ConfigError(f"{uri} is a {kind} and recipe {recipe.name} a {recipe.model.kind}: nothing can go over.")
    exported = _exported(uri)
    weights, tensors = _tensors(uri, exported, recipe)
    items, users = _ids(exported, ITEMS_FILE, "item_id"), _ids(exported, USERS_FILE, "user_id")
    contexts = _contexts(exported) if kind == RankerConfig.kind else ContextVocabulary()
    return Source(uri, weights, from_dict(config), data, items, users, tensors, contexts)


def described(uri: str, kind: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Recipe and data snapshot of a run, or of the half of a bundle that holds this kind of model."""
    config, data = read_json(uri, "config.json"), read_json(uri, "data.json")
    if config is not None and data is not None:
        return config, data
    manifest = read_json(uri, MANIFEST)
    if manifest is None:
        raise NotFoundError(f"{uri} is neither a run nor a bundle: it has no config.json and no {MANIFEST}.")
    halves = manifest["config"]
    return halves["ranker" if kind == "ranker" and "ranker" in halves else "retrieval"], manifest["data"]


def _exported(uri: str) -> Folder:
    """Where the vocabularies lie: `export/` of a run, or the bundle itself."""
    folder = Folder(uri)
    for place in (folder.child("export"), folder):
        if {ITEMS_FILE, USERS_FILE} <= set(place.names()):
            return place
    raise NotFoundError(
        f"{uri} has no {ITEMS_FILE} and {USERS_FILE}: the run did not finish, or was made before rankers had them. "
        f"Finish it (shoal train --resume {uri.rpartition('/')[2]}), or take another."
    )


def _tensors(uri: str, exported: Folder, recipe: Recipe) -> tuple[str, dict[str, Tensor]]:
    """The best checkpoint when it is there, since it has optimizer states too; else the exported weights."""
    best = best_epoch(uri, recipe.metric)
    if best is not None:
        with checkpoint_at(uri, best).as_directory() as local:
            return f"checkpoint of epoch {best}", Reader(Path(local)).tensors()
    name = f"{recipe.model.kind}.safetensors"
    data = exported.read(name)
    if data is None:
        raise NotFoundError(f"{uri} has neither a checkpoint nor {name}: there are no weights to begin from.")
    return name, {f"net|{key}": tensor for key, tensor in load(data).items()}


def _contexts(folder: Folder) -> ContextVocabulary:
    body = read_json(folder.uri, Path(RANKER).with_suffix(".json").name)
    return ContextVocabulary(**(body or {}).get("contexts", {}))


def _ids(folder: Folder, name: str, column: str) -> list[str]:
    data = folder.read(name)
    assert data is not None
    return [str(value) for value in pq.read_table(io.BytesIO(data), columns=[column])[column].to_pylist()]
