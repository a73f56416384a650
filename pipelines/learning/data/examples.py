"""Training examples from user sequences, expanded on the fly: one example an event, its history strictly before it.

No table of examples × history exists anywhere: a block of sequences becomes a block of examples inside a
Ray Data task, streams to a worker, and is gone after its step.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from models.features import UserBatch, no_profiles, pad_history
from models.seeds import generator
from pipelines.learning.data.split import TRAIN, VALIDATION

Block = Mapping[str, NDArray[np.generic]]
Order = Literal["time", "given", "none"]
Expansion = tuple[Callable[..., Any], dict[str, Any]]
"""A Ray Data task on blocks of encoded sequences, and its keyword arguments."""
_EXAMPLES_AT_A_TIME = 32_768
_COLUMNS = ("user", "country", "history", "now_us", "profile", "item")


@dataclass(frozen=True, slots=True)
class Examples:
    """Users as of just before the event, and the item row of the event. All arrays are [num_examples, …].

    `extra`: other columns by name, which go with the examples wherever they go.
    """

    users: UserBatch
    items: NDArray[np.int64]
    extra: Mapping[str, NDArray[Any]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.items)

    def take(self, index: NDArray[np.int64] | slice) -> Examples:
        """The examples at `index`, in that order."""
        return Examples(
            self.users.take(index), self.items[index], {name: values[index] for name, values in self.extra.items()}
        )


def expand(
    block: Block, history_length: int, part: int = TRAIN, order: Order = "time"
) -> dict[str, NDArray[np.generic]]:
    """Examples of one part from a block of encoded sequences (`encoding.encode`).

    What a history holds depends on what the order of events means:

    - `time`: all that came strictly before the event, whatever its part.
    - `given`: held-out events may lie anywhere, so a history holds none of them: strictly before for a training
      event, all training events for a held-out one.
    - `none`: a user's events are a set. The history is the other training events; where there are more than
      `history_length`, those that follow in the set's (arbitrary) order, going round.
    """
    histories, items, times, countries, owners = [], [], [], [], []
    columns = (block[name] for name in ("item_rows", "labels", "timestamps_us", "country_rows"))
    for row, (sequence, labels, stamps, country) in enumerate(zip(*columns, strict=True)):
        wanted = np.flatnonzero(labels == part)
        if not len(wanted):
            continue
        histories.append(_histories(sequence, labels, wanted, history_length, part, order))
        items.append(sequence[wanted])
        times.append(stamps[wanted])
        countries.append(country[wanted])
        owners.append(np.full(len(wanted), row))
    owner = _joined(owners, np.int64)
    return {
        "user": np.asarray(block["user_row"])[owner].astype(np.int64),
        "country": _joined(countries, np.int64),
        "history": np.concatenate(histories) if histories else np.zeros((0, history_length), np.int32),
        "now_us": _joined(times, np.int64),
        "profile": np.asarray(block["profile_rows"])[owner].astype(np.int32),
        "item": _joined(items, np.int64),
    }


def expanded(
    block: Block, history_length: int, order: Order, part: int = TRAIN
) -> Iterator[dict[str, NDArray[np.generic]]]:
    """Examples of one part of a block as a Ray Data task."""
    yield from a_few_users_at_a_time(block, lambda users: expand(users, history_length, part, order))


def a_few_users_at_a_time(
    block: Block, expansion: Callable[[Block], dict[str, NDArray[Any]]]
) -> Iterator[dict[str, NDArray[Any]]]:
    """What `expansion` makes of a block, a few users at a time, so that memory stays small."""
    lengths = np.asarray([len(rows) for rows in block["item_rows"]])
    cuts = np.flatnonzero(np.diff(np.cumsum(lengths) // _EXAMPLES_AT_A_TIME, prepend=0))
    for start, stop in zip([0, *cuts], [*cuts, len(lengths)], strict=True):
        if stop > start:
            yield expansion({name: values[start:stop] for name, values in block.items()})


def examples_of(columns: Block) -> Examples:
    """Typed view of the columns that `expand` made and Ray Data carried; users without a `profile` column have none."""
    users = UserBatch(
        user=np.asarray(columns["user"], np.int64),
        country=np.asarray(columns["country"], np.int64),
        history=np.asarray(columns["history"], np.int32),
        now_us=np.asarray(columns["now_us"], np.int64),
        profile=np.asarray(columns.get("profile", no_profiles(len(columns["user"]))), np.int32),
    )
    extra = {name: np.asarray(values) for name, values in columns.items() if name not in _COLUMNS}
    return Examples(users, np.asarray(columns["item"], np.int64), extra)


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


def _histories(
    sequence: NDArray[np.int32],
    labels: NDArray[np.int8],
    wanted: NDArray[np.int64],
    length: int,
    part: int,
    order: Order,
) -> NDArray[np.int32]:
    """[len(wanted), length] histories of the wanted events, newest last, -1 in front."""
    if order == "time":
        return _before(sequence, length)[wanted]
    known = np.flatnonzero(labels < max(part, VALIDATION))
    if part != TRAIN:
        return np.broadcast_to(pad_history(sequence[known].tolist(), length), (len(wanted), length))
    at = np.searchsorted(known, wanted)
    return (_before if order == "given" else _others)(sequence[known], length)[at]


def _before(sequence: NDArray[np.int32], length: int) -> NDArray[np.int32]:
    """[len(sequence), length]: row t holds what came before event t."""
    padded = np.concatenate([np.full(length, -1, np.int32), sequence[:-1].astype(np.int32)])
    return sliding_window_view(padded, length)


def _others(items: NDArray[np.int32], length: int) -> NDArray[np.int32]:
    """[len(items), length]: row t holds the items that follow item t, going round, and never item t itself."""
    num = len(items)
    held = min(num - 1, length)
    following = (np.arange(num)[:, None] + np.arange(1, held + 1)) % num
    padding = np.full((num, length - held), -1, np.int32)
    return np.concatenate([padding, items[following].astype(np.int32)], axis=1)


def _joined(parts: list[Any], dtype: type[np.generic]) -> NDArray[Any]:
    return np.concatenate(parts).astype(dtype) if parts else np.zeros(0, dtype)


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
        np.concatenate([u.profile for u in users]),
    )
    extra = {name: np.concatenate([part.extra[name] for part in parts]) for name in parts[0].extra}
    return Examples(joined, np.concatenate([part.items for part in parts]), extra)
