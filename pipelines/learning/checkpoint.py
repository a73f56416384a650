"""A training checkpoint: every worker writes its own shards as safetensors, so no pickle and no gathering.

    rank-0.safetensors, rank-1.safetensors, …    "net|NAME|ROW|COLUMN", "state|NAME|KEY|ROW|COLUMN": shards and places
    progress.json                                epochs done and the number of rank files (written by rank 0, last)

Because each shard knows its place, any number of workers can restore what any other number wrote.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from models.errors import BundleError

_PROGRESS = "progress.json"
_SEPARATOR = "|"
_WHOLE = "whole"


@dataclass(frozen=True, slots=True)
class Progress:
    """Epochs finished, and the best validation NDCG with its epoch."""

    epochs_done: int = 0
    best: float = -1.0
    best_epoch: int = 0


def save(folder: Path, rank: int, world_size: int, model: Any, optimizer: Any, progress: Progress) -> None:
    """Write this worker's part of the checkpoint."""
    shards = {f"net|{key}": tensor for key, tensor in _shards(model.state_dict())}
    for name, state in optimizer.state_dict()["state"].items():
        shards |= {
            f"state|{key}": tensor for key, tensor in _shards({f"{name}{_SEPARATOR}{k}": v for k, v in state.items()})
        }
    # Whole tensors are equal on every worker; one copy is enough.
    own = {key: t for key, t in shards.items() if rank == 0 or not key.endswith(_SEPARATOR + _WHOLE)}
    save_file(
        {key: t.detach().cpu().contiguous().clone() for key, t in own.items()}, folder / f"rank-{rank}.safetensors"
    )
    if rank == 0:
        body = {
            "num_files": world_size,
            "epochs_done": progress.epochs_done,
            "best": progress.best,
            "best_epoch": progress.best_epoch,
        }
        (folder / _PROGRESS).write_text(json.dumps(body))


class Reader:
    """A checkpoint folder, checked on opening: `BundleError` when it is half-written."""

    def __init__(self, folder: Path) -> None:
        try:
            body = json.loads((folder / _PROGRESS).read_bytes())
            self.progress = Progress(body["epochs_done"], body["best"], body["best_epoch"])
            paths = [folder / f"rank-{rank}.safetensors" for rank in range(body["num_files"])]
            self._files = [safe_open(path, framework="pt") for path in paths]
        except (OSError, ValueError, KeyError, SafetensorError) as error:
            raise BundleError(
                f"checkpoint {folder.name} is half-written ({error}). Resume from the one before it."
            ) from error
        self._places: dict[str, list[tuple[Any, str]]] = {}
        for file in self._files:
            for key in file.keys():  # type: ignore[no-untyped-call]  # noqa: SIM118 - not a mapping
                self._places.setdefault(key.rpartition(_SEPARATOR)[0], []).append((file, key))

    def net(self) -> dict[str, Tensor]:
        """Every weight whole, by its name in the unsharded net."""
        return {name[4:]: tensor for name, tensor in self.tensors("net|").items()}

    def tensors(self, prefix: str = "") -> dict[str, Tensor]:
        """Everything whole, by the names of the files ("net|…", "state|…")."""
        return {name: self._whole(name) for name in self._places if name.startswith(prefix)}

    def restore(self, model: Any, optimizer: Any) -> None:
        """Copy weights and optimizer state into this worker's shards."""
        self._fill("net|", model.state_dict())
        for name, state in optimizer.state_dict()["state"].items():
            self._fill(f"state|{name}|", state)

    def _fill(self, prefix: str, target: dict[str, Any]) -> None:
        for name, value in target.items():
            if prefix + name not in self._places:
                raise BundleError(f"the checkpoint has no {prefix + name}: it belongs to another recipe.")
            whole = self._whole(prefix + name)
            for local, rows in _local(value):
                local.copy_(whole[rows] if local.dim() else whole)

    def _whole(self, name: str) -> Tensor:
        parts = [(key.rpartition(_SEPARATOR)[2], file.get_tensor(key)) for file, key in self._places[name]]
        if parts[0][0] == _WHOLE:
            return Tensor(parts[0][1])
        return torch.cat([tensor for _, tensor in sorted(parts, key=lambda part: int(part[0]))])


def _shards(state: dict[str, Any]) -> Iterator[tuple[str, Tensor]]:
    for name, value in state.items():
        if hasattr(value, "local_shards"):
            for shard in value.local_shards():
                yield f"{name}{_SEPARATOR}{shard.metadata.shard_offsets[0]}", shard.tensor
        elif isinstance(value, Tensor):
            yield f"{name}{_SEPARATOR}{_WHOLE}", value


def _local(value: Any) -> Iterator[tuple[Tensor, slice]]:
    """Local tensors of a state entry with the rows they hold of the whole."""
    if hasattr(value, "local_shards"):
        for shard in value.local_shards():
            row = shard.metadata.shard_offsets[0]
            yield shard.tensor, slice(row, row + len(shard.tensor))
    elif isinstance(value, Tensor):
        yield value, slice(None)
