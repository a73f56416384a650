"""What a row is selected from: one user's candidates, of one source or several, and what is known of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from models.candidates import Candidates
from models.errors import InputError
from models.vocabulary import Rows

MODEL = "model"
CONTROL = "control"
"""Source of an item that no source found: it was pinned or promoted."""
_NO_ROWS: Rows = np.zeros(0, np.int64)


@dataclass(frozen=True, slots=True)
class Pool:
    """Parallel arrays over `num` entries. The first `num_ranked` are candidates, each source's best first; the others
    can be pinned or promoted and nothing else. An item that several sources have found has an entry of each.

    `source_of` [num]: numbers of `sources`; None when there is one source. `vectors` [num, dim]; `published_us` [num],
    UTC microseconds, negative where unknown; `categories`: names of each entry. They may be None where no rule asks for
    them (`rules.needs`). `places`: the entry of each item of the control that this user may be shown; `passes`: the
    entries [num] that pass each filter of the control.
    """

    item_rows: Rows
    scores: NDArray[np.float32]
    num_ranked: int
    sources: tuple[str, ...] = (MODEL,)
    source_of: NDArray[np.int64] | None = None
    vectors: NDArray[np.float32] | None = None
    categories: Sequence[Sequence[str]] | None = None
    published_us: NDArray[np.int64] | None = None
    places: Mapping[str, int] = field(default_factory=dict)
    passes: Mapping[str, NDArray[np.bool_]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.item_rows)

    @classmethod
    def of(cls, candidates: Candidates, source: str = MODEL) -> Pool:
        """One list of candidates."""
        return cls(candidates.item_rows, candidates.scores, len(candidates), (source,))

    @classmethod
    def merged(cls, lists: Mapping[str, Candidates], others: Rows = _NO_ROWS) -> Pool:
        """The lists of sources, in order, and items that may be pinned or promoted beside them.

        `InputError` when there is no list.
        """
        if not lists:
            raise InputError("a pool has no source. Give it the candidates of one at least.")
        lengths = [len(one) for one in lists.values()]
        rows = [one.item_rows for one in lists.values()]
        scores = [one.scores for one in lists.values()]
        return cls(
            np.concatenate([*rows, others]),
            np.concatenate([*scores, np.zeros(len(others), np.float32)]),
            sum(lengths),
            tuple(lists),
            np.repeat(np.arange(len(lists) + 1), [*lengths, len(others)]) if len(lists) > 1 else None,
        )

    def source(self, entry: int) -> str:
        """The name of what found an entry."""
        if entry >= self.num_ranked:
            return CONTROL
        return self.sources[0 if self.source_of is None else self.source_of[entry]]
