"""Candidates of one user: item rows with scores, best first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.vocabulary import Rows


@dataclass(frozen=True, slots=True)
class Candidates:
    """One user's candidates, best first: parallel arrays of item rows and scores."""

    item_rows: NDArray[np.int64]
    scores: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.item_rows)

    @classmethod
    def empty(cls) -> Candidates:
        """No candidates at all."""
        return cls(np.zeros(0, np.int64), np.zeros(0, np.float32))

    def head(self, k: int) -> Candidates:
        """The best `k`."""
        return Candidates(self.item_rows[:k], self.scores[:k])

    def where(self, keep: NDArray[np.bool_]) -> Candidates:
        """Those that `keep` marks, in their order."""
        return Candidates(self.item_rows[keep], self.scores[keep])

    def without(self, rows: Rows) -> Candidates:
        """Those that are not among the rows, in their order."""
        return self.where(~np.isin(self.item_rows, rows)) if len(rows) else self

    def reordered(self, scores: NDArray[np.float32]) -> Candidates:
        """The same items by other scores; equals keep their order."""
        order = np.argsort(-scores, kind="stable")
        return Candidates(self.item_rows[order], scores[order])


def listed(rows: NDArray[np.int64], scores: NDArray[np.float32]) -> list[Candidates]:
    """The lines of [batch, k] rows and scores without their places of row -1."""
    lists = [Candidates(line, best) for line, best in zip(rows, scores, strict=True)]
    return lists if (rows >= 0).all() else [found.where(found.item_rows >= 0) for found in lists]


def without(rows: NDArray[np.int64], scores: NDArray[np.float32], barred: Sequence[Rows], k: int) -> list[Candidates]:
    """The best `k` of each line of [batch, n] rows and scores; a barred row, or one below 0, is passed over."""
    found = []
    for line, line_scores, bar in zip(rows, scores, barred, strict=True):
        keep = np.flatnonzero((line >= 0) & ~np.isin(line, bar))[:k]
        found.append(Candidates(line[keep], line_scores[keep]))
    return found


def top(scores: NDArray[np.float32], k: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Rows and scores of the best `k` columns of [batch, num_items], best first; of equals the lower row."""
    k = min(k, scores.shape[1])
    if k < scores.shape[1]:
        rows = np.sort(np.argpartition(-scores, k - 1, axis=1)[:, :k], axis=1)
    else:
        rows = np.broadcast_to(np.arange(k), scores.shape)
    lines = np.arange(len(scores))[:, None]
    picked = scores[lines, rows]
    order = np.argsort(-picked, axis=1, kind="stable")
    return rows[lines, order].astype(np.int64), picked[lines, order]
