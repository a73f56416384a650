"""Training examples from user sequences, expanded on the fly: one example an event, its history strictly before it.

No table of examples × history exists anywhere: a block of sequences becomes a block of examples inside a
Ray Data task, streams to a worker, and is gone after its step.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from models.features import UserBatch
from models.seeds import generator
from pipelines.learning.split import TRAIN

Block = Mapping[str, NDArray[np.generic]]


@dataclass(frozen=True, slots=True)
class Examples:
    """Users as of just before the event, and the item row of the event. All arrays are [num_examples, …]."""

    users: UserBatch
    items: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.items)

    def take(self, index: NDArray[np.int64] | slice) -> Examples:
        """The examples at `index`, in that order."""
        return Examples(self.users.take(index), self.items[index])


def expand(block: Block, history_length: int, part: int = TRAIN) -> dict[str, NDArray[np.generic]]:
    """Examples of one part from a block of encoded sequences (`sequences.encode`)."""
    histories, items, times, owners = [], [], [], []
    for row, (sequence, labels, stamps) in enumerate(
        zip(block["item_rows"], block["labels"], block["timestamps_us"], strict=True)
    ):
        wanted = np.flatnonzero(labels == part)
        if not len(wanted):
            continue
        histories.append(_histories(sequence, history_length)[wanted])
        items.append(sequence[wanted])
        times.append(stamps[wanted])
        owners.append(np.full(len(wanted), row))
    owner = np.concatenate(owners) if owners else np.zeros(0, np.int64)
    empty = np.zeros((0, history_length), np.int32)
    return {
        "user": np.asarray(block["user_row"])[owner].astype(np.int64),
        "country": np.asarray(block["country_row"])[owner].astype(np.int64),
        "history": np.concatenate(histories) if histories else empty,
        "now_us": np.concatenate(times).astype(np.int64) if times else np.zeros(0, np.int64),
        "item": np.concatenate(items).astype(np.int64) if items else np.zeros(0, np.int64),
    }


def examples_of(columns: Block) -> Examples:
    """Typed view of the columns that `expand` made and Ray Data carried."""
    users = UserBatch(
        user=np.asarray(columns["user"], np.int64),
        country=np.asarray(columns["country"], np.int64),
        history=np.asarray(columns["history"], np.int32),
        now_us=np.asarray(columns["now_us"], np.int64),
    )
    return Examples(users, np.asarray(columns["item"], np.int64))


def shuffled_batches(
    blocks: Iterator[Examples], batch_size: int, buffer_size: int, seed: int, *scope: object
) -> Iterator[Examples]:
    """Batches drawn from a buffer of examples shuffled with a seed of its own; every example appears once."""
    rng = generator(seed, "shuffle", *scope)
    held: list[Examples] = []
    for block in blocks:
        held.append(block)
        if sum(map(len, held)) >= buffer_size:
            *full, rest = _batches(_shuffle(held, rng), batch_size)
            yield from full
            held = [rest]
    if held:
        yield from (b for b in _batches(_shuffle(held, rng), batch_size) if len(b))


def _histories(sequence: NDArray[np.int32], length: int) -> NDArray[np.int32]:
    """[len(sequence), length]: row t holds what came before event t, newest last, -1 in front."""
    padded = np.concatenate([np.full(length, -1, np.int32), sequence[:-1].astype(np.int32)])
    return sliding_window_view(padded, length)


def _shuffle(parts: list[Examples], rng: np.random.Generator) -> Examples:
    whole = concatenate(parts)
    return whole.take(rng.permutation(len(whole)))


def _batches(examples: Examples, size: int) -> list[Examples]:
    return [examples.take(slice(start, start + size)) for start in range(0, max(len(examples), 1), size)]


def concatenate(parts: list[Examples]) -> Examples:
    """All examples end to end."""
    users = [part.users for part in parts]
    joined = UserBatch(
        np.concatenate([u.user for u in users]),
        np.concatenate([u.country for u in users]),
        np.concatenate([u.history for u in users]),
        np.concatenate([u.now_us for u in users]),
    )
    return Examples(joined, np.concatenate([part.items for part in parts]))
