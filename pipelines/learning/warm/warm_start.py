"""A run that begins where another ended: rows go over by id, dense layers as they are, new ids start fresh.

The first rows of a table named `item…`, `user…` or `context…` are those of its vocabulary, in order; rows after them
(buckets of unknown ids) go over in order. Every other weight must have the shape it had.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch
from numpy.typing import NDArray
from torch import Tensor

from cluster.storage import Folder
from models.contexts import ContextVocabulary
from models.errors import ConfigError
from models.seeds import derive_seed
from models.vocabulary import Vocabulary
from pipelines.learning.engine.checkpoint import Progress, save_whole
from pipelines.learning.objectives.objective import Objective
from pipelines.learning.warm.source import Source

FOLDER = "warm_start"
_NET, _STATE = "net|", "state|"


def rows_before(old_ids: Sequence[str], new_ids: Sequence[str], num_extra: int = 0) -> NDArray[np.int64]:
    """For each row of the new table the row it had in the old one, -1 where it had none: [len(new_ids) + num_extra]."""
    found = Vocabulary(old_ids).lookup(pa.array(new_ids, pa.string()))
    return np.concatenate([found, len(old_ids) + np.arange(num_extra)])


def carry(old: Tensor, fresh: Tensor, rows: NDArray[np.int64]) -> Tensor:
    """`fresh` with the rows of `old` that are known: row n becomes `old[rows[n]]` unless that is -1."""
    carried, known = fresh.clone(), torch.from_numpy(rows >= 0)
    carried[known] = old[torch.from_numpy(rows[rows >= 0])].to(fresh.dtype)
    return carried


@dataclass(frozen=True, slots=True)
class Vocabularies:
    """What the rows of the new tables stand for."""

    items: Sequence[str]
    users: Sequence[str]
    contexts: ContextVocabulary = field(default_factory=ContextVocabulary)


def warm_tensors(source: Source, fresh: Mapping[str, Tensor], now: Vocabularies) -> dict[str, Tensor]:
    """Weights, and the optimizer states that the source has, under the names of a checkpoint (`Reader.tensors`).

    `fresh`: the new net's weights by name. `ConfigError` when the two nets do not have the same layers and widths.
    """
    _check_fields(source, now.contexts)
    rows = {
        "item": (source.item_ids, now.items),
        "user": (source.user_ids, now.users),
        "context": (source.contexts.names, now.contexts.names),
    }
    mapped: dict[str, NDArray[np.int64] | None] = {}
    tensors: dict[str, Tensor] = {}
    for name, weight in fresh.items():
        old = source.tensors.get(_NET + name)
        ids = rows.get(_table(name).partition("_")[0])
        mapped[name] = _mapping(source, name, old, weight, ids)
        assert old is not None  # `_mapping` has refused what is missing
        at = mapped[name]
        tensors[_NET + name] = old if at is None else carry(old, weight, at)
    for key, state in source.tensors.items():
        name = key.removeprefix(_STATE).partition("|")[0]
        if not key.startswith(_STATE) or name not in mapped:
            continue
        at = mapped[name]
        # A state is an element or a row of the table it belongs to; a count of steps is neither.
        by_row = state.dim() > 0 and len(state) == len(source.tensors[_NET + name])
        fresh_rows = None if at is None or not by_row else state.new_zeros(len(at), *state.shape[1:])
        tensors[key] = state if at is None or fresh_rows is None else carry(state, fresh_rows, at)
    return tensors


def write_warm_start(source: Source, objective: Objective, now: Vocabularies, seed: int, run_uri: str) -> str:
    """Write `warm_start/` of the run, a checkpoint that workers begin from; returns its address."""
    folder = Folder(run_uri).child(FOLDER)
    torch.manual_seed(derive_seed(seed, "weights"))
    tensors = warm_tensors(source, objective.build("cpu").state_dict(), now)
    with tempfile.TemporaryDirectory() as scratch:
        save_whole(Path(scratch), tensors, Progress())
        for path in sorted(Path(scratch).iterdir(), reverse=True):  # progress.json, which makes it whole, last
            folder.write(path.name, path.read_bytes())
    return folder.uri


def tally(old: Sequence[str], new: Sequence[str]) -> dict[str, int]:
    """How many ids went over, came anew, and are gone."""
    carried = int((rows_before(old, new) >= 0).sum())
    return {"carried": carried, "new": len(new) - carried, "gone": len(old) - carried}


def _table(name: str) -> str:
    """Name of the table of a weight, empty for a dense layer's."""
    parts = name.split(".")
    return parts[-2] if parts[0] == "tables" else ""


def _check_fields(source: Source, contexts: ContextVocabulary) -> None:
    """The layers behind the look-ups take one field after the other, so a net knows no others than its own."""
    if source.contexts.fields != contexts.fields:
        before, now = (", ".join(fields) or "none" for fields in (source.contexts.fields, contexts.fields))
        raise ConfigError(
            f"{source.uri} learned from the context fields {before}, and the exposures of now have {now}: "
            "its layers fit no others. Train from nothing: leave out --from and --since."
        )


def _mapping(
    source: Source, name: str, old: Tensor | None, new: Tensor, ids: tuple[Sequence[str], Sequence[str]] | None
) -> NDArray[np.int64] | None:
    """Rows of a table of ids, None for any other weight."""
    if old is None:
        raise ConfigError(f"{source.uri} has no weight {name}: it is of another model. {_ADVICE}")
    if ids is None:
        if old.shape != new.shape:
            raise ConfigError(f"{name} is {list(old.shape)} in {source.uri} and {list(new.shape)} here. {_ADVICE}")
        return None
    num_extra = (len(old) - len(ids[0]), len(new) - len(ids[1]))
    if old.shape[1:] != new.shape[1:] or num_extra[0] != num_extra[1]:
        raise ConfigError(
            f"{name} is {list(old.shape[1:])} wide with {num_extra[0]} rows beside its ids in {source.uri}, "
            f"and {list(new.shape[1:])} with {num_extra[1]} here. {_ADVICE}"
        )
    return rows_before(*ids, num_extra[1])


_ADVICE = "A warm start needs the same widths and buckets: take model.* and features.* of its config.json."
