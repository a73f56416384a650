"""Where a run keeps its checkpoints: `checkpoints/run/epoch-NNNN/`; workers write, Ray Train drops old ones."""

from __future__ import annotations

import json

import ray.train

from cluster.storage import Folder, absolute, filesystem, join
from pipelines.learning.engine.checkpoint import PROGRESS
from pipelines.learning.runs.records import best_of
from pipelines.learning.runs.run_folder import read_json

RUN_NAME = "run"
_SNAPSHOT = "checkpoint_manager_snapshot.json"


def storage_uri(run_uri: str) -> str:
    """What Ray Train is given to store under."""
    return join(run_uri, "checkpoints")


def checkpoint_name(epoch: int) -> str:
    """Folder of the checkpoint after an epoch."""
    return f"epoch-{epoch:04d}"


def checkpoint_folder(run_uri: str, epoch: int) -> Folder:
    """The same with its address."""
    return _all(run_uri).child(checkpoint_name(epoch))


def epochs_whole(run_uri: str) -> list[int]:
    """Epochs whose checkpoints are there and whole, newest first."""
    names = [name for name in _all(run_uri).names() if name.startswith("epoch-")]
    epochs = sorted((int(name.removeprefix("epoch-")) for name in names), reverse=True)
    return [epoch for epoch in epochs if checkpoint_folder(run_uri, epoch).read(PROGRESS) is not None]


def best_epoch(run_uri: str, metric: str) -> int | None:
    """Of the epochs kept, the first of the highest score; the newest when none scored; None when none is kept."""
    return best_of(epochs_whole(run_uri), read_json(run_uri, "metrics.json") or [], metric)


def checkpoint_at(run_uri: str, epoch: int) -> ray.train.Checkpoint:
    """The checkpoint after an epoch."""
    return ray.train.Checkpoint(absolute(checkpoint_folder(run_uri, epoch).uri))


def remove(folder: Folder) -> None:
    """Delete a checkpoint that is not whole."""
    fs, path = filesystem(folder.uri)
    if fs.exists(path):
        fs.rm(path, recursive=True)


def drop_broken_snapshot(run_uri: str) -> None:
    """Delete Ray Train's list of checkpoints when it is cut off: it cannot be read, and the folders say as much."""
    data = _all(run_uri).read(_SNAPSHOT)
    if data is not None and not _is_json(data):
        fs, path = filesystem(join(_all(run_uri).uri, _SNAPSHOT))
        fs.rm(path)


def _all(run_uri: str) -> Folder:
    return Folder(join(storage_uri(run_uri), RUN_NAME))


def _is_json(data: bytes) -> bool:
    try:
        json.loads(data)
    except ValueError:
        return False
    return True
