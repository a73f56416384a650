"""Training examples from user sequences, made when they are taken: one example an event, its history as of the event.

No table of examples × history exists anywhere: a block's sequences lie end to end, and a history is a window of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from models.features import UserBatch
from models.vocabulary import Rows
from pipelines.learning.data.examples import Block, Examples, Order, columns_of
from pipelines.learning.data.split import TRAIN, VALIDATION

_EXAMPLES_AT_A_TIME = 32_768


@dataclass(frozen=True, slots=True)
class ExamplePool:
    """Examples of one part of a block of encoded sequences (`encoding.encode`), in the order of users and events.

    `items`, `now_us`, `country`, `owner` (row in `user` and `profile`) are [num_examples]. `known` is what histories
    are cut from: for each user `history_length` times -1 and then the events that a history may hold. `ends`: the
    place in `known` behind the newest event of an example's history. `circles`: where the user's events begin in
    `known` and how many they are, for histories that go round; None where they end before the event.
    """

    user: Rows
    profile: NDArray[np.int32]
    owner: NDArray[np.int64]
    items: Rows
    now_us: NDArray[np.int64]
    country: Rows
    known: NDArray[np.int32]
    ends: NDArray[np.int64]
    circles: tuple[NDArray[np.int64], NDArray[np.int64]] | None
    history_length: int

    @classmethod
    def of(cls, block: Block, history_length: int, part: int = TRAIN, order: Order = "time") -> ExamplePool:
        """What a history holds depends on what the order of events means:

        - `time`: all that came strictly before the event, whatever its part.
        - `given`: held-out events may lie anywhere, so a history holds none of them: strictly before for a training
          event, all training events for a held-out one.
        - `none`: a user's events are a set. The history is the other training events; where there are more than
          `history_length`, those that follow in the set's (arbitrary) order, going round.
        """
        lengths = np.asarray([len(rows) for rows in block["item_rows"]], np.int64)
        owner = np.repeat(np.arange(len(lengths)), lengths)
        sequence, labels = _flat(block["item_rows"], np.int32), _flat(block["labels"], np.int8)
        may_hold = np.ones(len(labels), bool) if order == "time" else labels < max(part, VALIDATION)
        wanted = np.flatnonzero(labels == part)
        users = owner[wanted]
        counts = np.bincount(owner[may_hold], minlength=len(lengths))
        starts = np.cumsum(counts) - counts + history_length * np.arange(1, len(lengths) + 1)
        before = np.cumsum(may_hold) - may_hold + history_length * (owner + 1)  # place of an event that may be held
        known = np.full((len(lengths) + 1) * history_length + int(counts.sum()), -1, np.int32)
        known[before[may_hold]] = sequence[may_hold]
        of_the_past = part == TRAIN or order == "time"
        return cls(
            user=np.asarray(block["user_row"], np.int64),
            profile=np.asarray(block["profile_rows"], np.int32),
            owner=users,
            items=sequence[wanted].astype(np.int64),
            now_us=_flat(block["timestamps_us"], np.int64)[wanted],
            country=_flat(block["country_rows"], np.int64)[wanted],
            known=known,
            ends=before[wanted] if of_the_past else (starts + counts)[users],
            circles=(starts[users], counts[users]) if order == "none" and part == TRAIN else None,
            history_length=history_length,
        )

    def __len__(self) -> int:
        return len(self.items)

    def take(self, index: NDArray[np.int64] | slice) -> Examples:
        """The examples at `index`, in that order."""
        owner = self.owner[index]
        users = UserBatch(
            self.user[owner], self.country[index], self._histories(index), self.now_us[index], self.profile[owner]
        )
        return Examples(users, self.items[index])

    def _histories(self, index: NDArray[np.int64] | slice) -> NDArray[np.int32]:
        """[num, history_length], newest last, -1 in front."""
        ends = self.ends[index]
        if self.circles is None:
            return sliding_window_view(self.known, self.history_length)[ends - self.history_length]
        starts, sizes = (values[index][:, None] for values in self.circles)
        held = np.minimum(sizes - 1, self.history_length)
        step = np.arange(self.history_length) - (self.history_length - held)  # 0 for the one that follows the event
        others = self.known[starts + (ends[:, None] - starts + 1 + step) % sizes]
        return np.where(step >= 0, others, np.int32(-1))


def expand(block: Block, history_length: int, part: int = TRAIN, order: Order = "time") -> dict[str, NDArray[Any]]:
    """All examples of an `ExamplePool` as columns."""
    return columns_of(ExamplePool.of(block, history_length, part, order).take(slice(None)))


def expanded(
    block: Block, history_length: int, order: Order, part: int = TRAIN
) -> Iterator[dict[str, NDArray[np.generic]]]:
    """Examples of one part of a block as a Ray Data task."""
    yield from a_few_users_at_a_time(block, lambda users: expand(users, history_length, part, order))


def training_users(block: Block) -> dict[str, NDArray[Any]]:
    """A Ray Data task: the encoded users who have a training event."""
    some = np.asarray([bool((labels == TRAIN).any()) for labels in block["labels"]], bool)
    return {name: values[some] for name, values in block.items()}


def a_few_users_at_a_time(
    block: Block, expansion: Callable[[Block], dict[str, NDArray[Any]]]
) -> Iterator[dict[str, NDArray[Any]]]:
    """What `expansion` makes of a block, a few users at a time, so that memory stays small."""
    lengths = np.asarray([len(rows) for rows in block["item_rows"]])
    cuts = np.flatnonzero(np.diff(np.cumsum(lengths) // _EXAMPLES_AT_A_TIME, prepend=0))
    for start, stop in zip([0, *cuts], [*cuts, len(lengths)], strict=True):
        if stop > start:
            yield expansion({name: values[start:stop] for name, values in block.items()})


def _flat(lists: NDArray[Any], dtype: type[np.generic]) -> NDArray[Any]:
    return np.concatenate(list(lists)).astype(dtype, copy=False) if len(lists) else np.zeros(0, dtype)
