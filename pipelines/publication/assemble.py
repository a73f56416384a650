"""One bundle folder from the exports of a retrieval run and, when there is one, a ranker run."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cluster.storage import Folder
from models.errors import ConfigError, NotFoundError
from models.index.record import IndexRecord
from models.retrievers.loading import INDEX_FILE
from pipelines.learning.refit import SELECTION

_OWN_LENGTHS = {"history_length", "recent_length"}
"""Features of each run's own: serving gives every net the history that it was trained with."""
RANKER_FILES = ("ranker.json", "ranker.safetensors")


@dataclass(frozen=True, slots=True)
class Assembled:
    """A bundle folder without its manifest, and what the runs say of themselves."""

    folder: Path
    recipe: str
    config: dict[str, Any]
    data: dict[str, Any]


def assemble(retrieval_uri: str, ranker_uri: str | None, folder: Path) -> Assembled:
    """Copy the runs' exports into `folder`; `NotFoundError` when a run has not finished.

    A ranker's share is chosen on what validates. So beside a ranker stands what was learned before the refit, which saw
    nothing of that.
    """
    retrieval = _before_refit(Folder(retrieval_uri)) if ranker_uri else Folder(retrieval_uri)
    _copy(retrieval, folder, _exported(retrieval))
    config = {"retrieval": _read_json(retrieval, "config.json")}
    recipe = str(config["retrieval"]["name"])
    if ranker_uri:
        ranker = _before_refit(Folder(ranker_uri))
        _exported(ranker)
        _copy(ranker, folder, RANKER_FILES)
        config["ranker"] = _read_json(ranker, "config.json")
        _check_fit(retrieval, ranker, config)
        recipe += f"+{config['ranker']['name']}"
    return Assembled(folder, recipe, config, _read_json(retrieval, "data.json"))


def exported(retrieval_uri: str, ranker_uri: str | None) -> Folder:
    """Where the bundle's retriever and vocabularies come from."""
    run = Folder(retrieval_uri)
    return (_before_refit(run) if ranker_uri else run).child("export")


def index_records(folder: Path) -> dict[str, dict[str, Any]]:
    """What was measured of each vector index of a bundle, by its path; of an index without a record, nothing."""
    found = {}
    for index in sorted(folder.rglob(INDEX_FILE)):
        record = index.with_suffix(".json")
        if record.exists():
            found[index.relative_to(folder).as_posix()] = IndexRecord.from_json(record.read_bytes()).to_json()
    return found


def _check_fit(retrieval: Folder, ranker: Folder, config: dict[str, Any]) -> None:
    """A ranker's rows are its run's items, users and features, and its split is what it must not have seen."""
    one, other = config["retrieval"], config["ranker"]
    same: dict[str, tuple[Any, Any]] = {
        "features": (_shared(one["features"]), _shared(other["features"])),
        "split": (one["split"], other["split"]),
        "data": (_read_json(retrieval, "data.json"), _read_json(ranker, "data.json")),
    }
    if different := [part for part, (one, other) in same.items() if one != other]:
        raise ConfigError(
            f"runs {retrieval.uri} and {ranker.uri} do not fit: other {', '.join(different)}. "
            "Train both on one version of the lake with the same buckets of features and the same split."
        )


def _shared(features: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in features.items() if name not in _OWN_LENGTHS}


def _before_refit(run: Folder) -> Folder:
    """The run that was only to choose, where there is one."""
    selection = run.child(SELECTION)
    return selection if selection.child("export").files() else run


def _exported(run: Folder) -> list[str]:
    names = run.child("export").files()
    if not names:
        raise NotFoundError(f"run {run.uri} has no export: it does not exist or did not finish. Train it: shoal train")
    return names


def _copy(run: Folder, folder: Path, names: tuple[str, ...] | list[str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        run.child("export").download(name, folder / name)


def _read_json(run: Folder, name: str) -> dict[str, Any]:
    data = run.read(name)
    if data is None:
        raise NotFoundError(f"run {run.uri} has no {name}: it is not a finished run. Train it: shoal train")
    return dict(json.loads(data))
