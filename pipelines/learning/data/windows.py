"""Windows: runs of a user's training events, as long as the model sees at once. What a sequence model learns from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from models.seeds import generator
from pipelines.learning.data.examples import Block
from pipelines.learning.data.split import TRAIN, VALIDATION


@dataclass(frozen=True, slots=True)
class Windows:
    """`items`: rows end to end, [num_items]; `lengths`: of each window; `is_target`: which items are to be predicted.

    A window of n items is n − 1 steps: every item but the last is an input, every one but the first may be a target.
    """

    items: NDArray[np.int64]
    lengths: NDArray[np.int64]
    is_target: NDArray[np.bool_]

    def __len__(self) -> int:
        return int(self.is_target.sum())


def training_sequences(block: Block) -> dict[str, NDArray[np.generic]]:
    """A Ray Data task: users' events without the held-out ones; users of fewer than two are left out."""
    items, targets = [], []
    for sequence, labels in zip(block["item_rows"], block["labels"], strict=True):
        known = labels < VALIDATION
        if known.sum() < 2 or not (labels == TRAIN).any():
            continue
        items.append(np.asarray(sequence)[known].astype(np.int32))
        targets.append(np.asarray(labels)[known] == TRAIN)
    return {"items": _lists(items), "is_target": _lists(targets)}


def window_batches(
    blocks: Iterator[Block], max_length: int, batch_size: int, buffer_size: int, seed: int, *scope: object
) -> Iterator[Windows]:
    """Batches of about `batch_size` targets, shuffled within a buffer; every target comes once.

    A sequence longer than `max_length` steps is cut at places that differ from epoch to epoch, so that over the epochs
    each event is seen with a long past.
    """
    rng = generator(seed, "windows", *scope)
    held: list[tuple[NDArray[np.int64], NDArray[np.bool_]]] = []
    num_held = 0
    for block in blocks:
        for items, is_target in zip(block["items"], block["is_target"], strict=True):
            for start, stop in _cuts(len(items), max_length, rng):
                mask = np.asarray(is_target[start:stop]).copy()
                mask[0] = False  # what it is predicted from lies before the window
                if mask.any():
                    held.append((np.asarray(items[start:stop], np.int64), mask))
                    num_held += stop - start
        if num_held >= buffer_size:
            *full, rest = _batches(held, batch_size, rng)
            yield from map(_windows, full)
            held, num_held = rest, sum(len(items) for items, _ in rest)
    if held:
        yield from map(_windows, _batches(held, batch_size, rng))


def _cuts(length: int, max_length: int, rng: np.random.Generator) -> list[tuple[int, int]]:
    """Windows of at most `max_length` steps that share their end items, so that every step lies in exactly one."""
    steps = length - 1
    if steps <= max_length:
        return [(0, length)]
    first = int(rng.integers(1, max_length + 1))
    edges = [0, *range(first, steps, max_length), steps]
    return [(start, stop + 1) for start, stop in pairwise(edges)]


def _batches(
    held: list[tuple[NDArray[np.int64], NDArray[np.bool_]]], size: int, rng: np.random.Generator
) -> list[list[tuple[NDArray[np.int64], NDArray[np.bool_]]]]:
    order = rng.permutation(len(held))
    steps = np.asarray([len(held[at][0]) - 1 for at in order])
    which = (np.cumsum(steps) - steps) // size
    cuts = np.flatnonzero(np.diff(which)) + 1
    return [[held[at] for at in part] for part in np.split(order, cuts)]


def _windows(parts: list[tuple[NDArray[np.int64], NDArray[np.bool_]]]) -> Windows:
    return Windows(
        np.concatenate([items for items, _ in parts]),
        np.asarray([len(items) for items, _ in parts], np.int64),
        np.concatenate([mask for _, mask in parts]),
    )


def _lists(values: list[NDArray[np.generic]]) -> NDArray[np.generic]:
    lists = np.empty(len(values), object)
    lists[:] = values
    return lists
