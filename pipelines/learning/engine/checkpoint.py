"""A training checkpoint: every worker writes its own shards as safetensors, so no pickle and no gathering.

    rank-0.safetensors, rank-1.safetensors, …    "net|NAME|PLACE", "state|NAME|KEY|PLACE": shards and where they lie
    progress.json                                epochs done and the number of rank files (written by rank 0, last)

A place is the shard's offset in the whole, "ROW" or "ROW,COLUMN", or "whole" for what every worker has in full. Because
each shard knows its place, any number of workers can restore what any other number wrote, cut by rows or columns.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from models.errors import BundleError

PROGRESS = "progress.json"
_SEPARATOR = "|"
_WHOLE = "whole"


@dataclass(frozen=True, slots=True)
class Progress:
    """Epochs and steps finished, and the best validation score with its epoch."""

    epochs_done: int = 0
    best: float = -1.0
    best_epoch: int = 0
    steps_done: int = 0


def save_shards(folder: Path, rank: int, model: Any, optimizer: Any) -> None:
    """Write this worker's part of the checkpoint."""
    shards = {f"net|{key}": tensor for key, tensor in _shards(model.state_dict())}
    for name, state in optimizer.state_dict()["state"].items():
        shards |= {
            f"state|{key}": tensor for key, tensor in _shards({f"{name}{_SEPARATOR}{k}": v for k, v in state.items()})
        }
    # Whole tensors are equal on every worker; one copy is enough.
    own = {key: t for key, t in shards.items() if rank == 0 or not key.endswith(_SEPARATOR + _WHOLE)}
    moved = {key: t.detach().cpu().contiguous().clone() for key, t in own.items()}
    save_file(moved, folder / f"rank-{rank}.safetensors")


def save_whole(folder: Path, tensors: dict[str, Tensor], progress: Progress) -> None:
    """Write a checkpoint of whole tensors, by the names that `Reader.tensors` gives."""
    whole = {f"{name}{_SEPARATOR}{_WHOLE}": tensor.contiguous() for name, tensor in tensors.items()}
    save_file(whole, folder / "rank-0.safetensors")
    save_progress(folder, 1, progress)


def save_progress(folder: Path, num_files: int, progress: Progress, record: Mapping[str, float] | None = None) -> None:
    """Write the file that makes a checkpoint whole, once all others are there. `record`: the epoch's metrics."""
    body = {"num_files": num_files, **asdict(progress), "record": record}
    (folder / PROGRESS).write_text(json.dumps(body))


class Reader:
    """A checkpoint folder, checked on opening: `BundleError` when it is half-written."""

    def __init__(self, folder: Path) -> None:
        try:
            body = json.loads((folder / PROGRESS).read_bytes())
            self.progress = Progress(body["epochs_done"], body["best"], body["best_epoch"], body.get("steps_done", 0))
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

    def restore(self, model: Any, optimizer: Any, *, all_states: bool = True) -> None:
        """Copy weights and optimizer state into this worker's shards; a state may be missing unless `all_states`."""
        self._fill("net|", model.state_dict(), all_states)
        for name, state in optimizer.state_dict()["state"].items():
            self._fill(f"state|{name}|", state, all_states)

    def _fill(self, prefix: str, target: dict[str, Any], all_states: bool) -> None:
        for name, value in target.items():
            if prefix + name not in self._places:
                if not all_states and prefix.startswith("state|"):
                    continue
                raise BundleError(f"the checkpoint has no {prefix + name}: it belongs to another recipe.")
            whole = self._whole(prefix + name)
            if tuple(whole.shape) != _size(value):
                raise BundleError(
                    f"{prefix + name} is {list(whole.shape)} in the checkpoint and {list(_size(value))} in the net: "
                    "it belongs to another recipe."
                )
            for local, place in _local(value):
                local.copy_(whole[place] if local.dim() else whole)

    def _whole(self, name: str) -> Tensor:
        parts = [(key.rpartition(_SEPARATOR)[2], file.get_tensor(key)) for file, key in self._places[name]]
        if parts[0][0] == _WHOLE:
            return Tensor(parts[0][1])
        placed = [(tuple(map(int, place.split(","))), tensor) for place, tensor in parts]
        ends = [[start + size for start, size in zip(_padded(at, t), t.shape, strict=True)] for at, t in placed]
        whole: Tensor = placed[0][1].new_empty([max(end) for end in zip(*ends, strict=True)])
        for at, tensor in placed:
            whole[_slices(_padded(at, tensor), tensor.shape)] = tensor
        return whole


def _padded(offsets: tuple[int, ...], tensor: Tensor) -> tuple[int, ...]:
    return (*offsets, *(0 for _ in range(tensor.dim() - len(offsets))))


def _size(value: Any) -> tuple[int, ...]:
    return tuple(value.metadata().size if hasattr(value, "local_shards") else value.shape)


def _slices(offsets: Any, sizes: Any) -> tuple[slice, ...]:
    return tuple(slice(start, start + size) for start, size in zip(offsets, sizes, strict=True))


def _shards(state: dict[str, Any]) -> Iterator[tuple[str, Tensor]]:
    for name, value in state.items():
        if hasattr(value, "local_shards"):
            for shard in value.local_shards():
                offsets = list(shard.metadata.shard_offsets)
                while len(offsets) > 1 and offsets[-1] == 0:  # "12" rather than "12,0"
                    offsets.pop()
                yield f"{name}{_SEPARATOR}{','.join(map(str, offsets))}", shard.tensor
        elif isinstance(value, Tensor):
            yield f"{name}{_SEPARATOR}{_WHOLE}", value


def _local(value: Any) -> Iterator[tuple[Tensor, tuple[slice, ...]]]:
    """Local tensors of a state entry with the place they hold of the whole."""
    if hasattr(value, "local_shards"):
        for shard in value.local_shards():
            yield shard.tensor, _slices(shard.metadata.shard_offsets, shard.metadata.shard_sizes)
    elif isinstance(value, Tensor):
        yield value, (slice(None),) * value.dim()
