"""Late fusion: the candidates of several retrievers, ordered by a weighted sum of their scores.

Scores of different sources have nothing in common but their order of size. Each is therefore put on one scale for each
user: 0 is what the source gives an average item, 1 what it gives the best. A collaborative source counts as much as
there is to know: its share shrinks by n / (n + κ) for an item of n training events and for a user of n events. What
it loses the content takes over, so that where nothing is known of a user or an item, content alone decides. Where there
is no content to take over, nothing shrinks.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.candidates import top
from models.features import UserBatch
from models.histories import newest
from models.index.arrays import Found
from models.index.selection import Filter
from models.retrievers.retriever import Retriever
from models.vocabulary import Rows

FUSION_FILE = "fusion.json"
SOURCES_FOLDER = "sources"
CONTENT = "content"
_NUM_REFERENCES = 256
_NUM_BEST = 10
_ITEM_EVENTS, _USER_EVENTS = 1.0, 2.0
"""κ: of how many events on, a collaborative score counts more than half."""


@dataclass(frozen=True, slots=True)
class Source:
    """One retriever, the history it takes, and its kind."""

    name: str
    retriever: Retriever
    history_length: int
    is_content: bool

    def of(self, users: UserBatch) -> UserBatch:
        """The users with no more of their history than this source was trained with."""
        return newest(users, self.history_length)


class HybridRetriever:
    """A `Retriever` of retrievers that share item and user rows. `weights`: one for each column of `features`."""

    by_profile = False  # without events a collaborative source counts for nothing, whatever it reads

    def __init__(
        self, sources: Sequence[Source], counts: NDArray[np.int64], weights: NDArray[np.float64] | None = None
    ) -> None:
        self._sources, self._counts = list(sources), counts
        self._weights = np.ones(self.num_features) if weights is None else weights
        takes_over = any(source.is_content for source in self._sources)
        self._confidence = counts / (counts + _ITEM_EVENTS) if takes_over else np.ones(len(counts))
        self._num_best = min(_NUM_BEST, len(counts) // 20 + 1)
        self._references = np.linspace(0, len(counts) - 1, min(_NUM_REFERENCES, len(counts))).astype(np.int64)
        self._closest = self._sources[int(np.argmax(self._weights[: len(self._sources)]))].retriever
        self.by_user_id = any(source.retriever.by_user_id for source in self._sources)

    def weighed(self, weights: NDArray[np.float64]) -> HybridRetriever:
        """The same sources with other weights."""
        return HybridRetriever(self._sources, self._counts, weights)

    def without_idle(self) -> HybridRetriever:
        """The sources that weigh something: the others would cost a search a request, and order nothing."""
        columns = self._columns()
        busy = [number for number, own in enumerate(columns) if self._weights[own].any()] or list(range(len(columns)))
        first, extra = [columns[n][0] for n in busy], [column for n in busy for column in columns[n][1:]]
        return HybridRetriever([self._sources[n] for n in busy], self._counts, self._weights[[*first, *extra]])

    @property
    def names(self) -> list[str]:
        """Of the sources, in order."""
        return [source.name for source in self._sources]

    @property
    def weights(self) -> NDArray[np.float64]:
        """[num_features]."""
        return self._weights

    @property
    def num_sources(self) -> int:
        """How many there are; their weights come first."""
        return len(self._sources)

    @property
    def num_features(self) -> int:
        """A column for each source, and one more for each of content."""
        return len(self._sources) + sum(source.is_content for source in self._sources)

    def search(
        self, users: UserBatch, k: int, barred: Sequence[Rows] | None = None, allowed: Filter | None = None
    ) -> Found:
        """The best `k` of all that any source proposes."""
        candidates = self.candidates(users, k, barred, allowed)
        owner = np.repeat(np.arange(len(users)), [len(rows) for rows in candidates])
        items = np.concatenate(candidates)
        scores = self.scores(users, owner, items)
        width = max(map(len, candidates))
        padded = np.full((len(users), width), -1, np.int64)
        padded_scores = np.full((len(users), width), -np.inf, np.float32)
        column = np.concatenate([np.arange(len(rows)) for rows in candidates])
        padded[owner, column], padded_scores[owner, column] = items, scores
        columns, best = top(padded_scores, k)
        return np.take_along_axis(padded, columns, axis=1), best

    def candidates(
        self, users: UserBatch, k: int, barred: Sequence[Rows] | None = None, allowed: Filter | None = None
    ) -> list[Rows]:
        """For each user the items that some source has among its best `k` of those it may propose, ascending."""
        lists = [source.retriever.search(source.of(users), k, barred, allowed)[0] for source in self._sources]
        found = np.concatenate(lists, axis=1)
        return [np.unique(rows[rows >= 0]) for rows in found]

    def scores(self, users: UserBatch, owner: Rows, items: Rows) -> NDArray[np.float32]:
        """Weighted sums of the sources' scores, each on its user's scale."""
        return np.asarray(self.features(users, owner, items) @ self._weights, np.float32)

    def features(self, users: UserBatch, owner: Rows, items: Rows) -> NDArray[np.float64]:
        """[num_pairs, num_features]: what is weighed."""
        num_events = (users.history >= 0).sum(axis=1)
        known = self._confidence[items] * (num_events / (num_events + _USER_EVENTS))[owner]
        columns, extra = [], []
        for source in self._sources:
            scaled = self._scaled(source, users, owner, items)
            columns.append(scaled if source.is_content else scaled * known)
            if source.is_content:
                extra.append(scaled * (1.0 - known))
        return np.stack([*columns, *extra], axis=1)

    def _columns(self) -> list[list[int]]:
        """The columns of `features` of each source, its own first."""
        extra = iter(range(self.num_sources, self.num_features))
        return [[n, next(extra)] if source.is_content else [n] for n, source in enumerate(self._sources)]

    def neighbours(self, items: Rows, k: int, allowed: Filter | None = None) -> Found:
        """Those of the source that weighs most."""
        return self._closest.neighbours(items, k, allowed)

    def similarity(self, items: Rows, others: Rows) -> NDArray[np.float32]:
        """That of the source that weighs most."""
        return self._closest.similarity(items, others)

    def item_vectors(self, rows: Rows | None = None) -> None:
        """Items are no vectors here."""

    def user_vectors(self, users: UserBatch) -> None:
        """Nor are users."""

    def _scaled(self, source: Source, users: UserBatch, owner: Rows, items: Rows) -> NDArray[np.float64]:
        """Scores of pairs, 0 for the average item of a user and 1 for the average of the best; 0 without an opinion."""
        seen = source.of(users)
        everyone = np.repeat(np.arange(len(users)), len(self._references))
        references = source.retriever.scores(seen, everyone, np.tile(self._references, len(users)))
        average = references.reshape(len(users), -1).astype(np.float64).mean(axis=1)
        rows, scores = source.retriever.search(seen, self._num_best)
        found = rows >= 0
        best = np.where(found, scores, 0).sum(axis=1) / np.maximum(found.sum(axis=1), 1)
        room = np.where(found.any(axis=1), best - average, 0.0)
        pairs = source.retriever.scores(seen, owner, items).astype(np.float64)
        return np.where(room[owner] > 1e-9, (pairs - average[owner]) / np.maximum(room, 1e-9)[owner], 0.0)


def save_fusion(folder: Path, names: Sequence[str], weights: Sequence[float]) -> None:
    """Write which sources there are, in order, and the weights."""
    (folder / FUSION_FILE).write_text(json.dumps({"sources": list(names), "weights": list(weights)}, indent=2))


def read_fusion(folder: Path) -> tuple[list[str], NDArray[np.float64]]:
    """What `save_fusion` wrote."""
    body = json.loads((folder / FUSION_FILE).read_bytes())
    return list(body["sources"]), np.asarray(body["weights"], np.float64)
