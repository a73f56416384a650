"""A loaded bundle: retrieve, rank, similar, popular. The same object evaluates, answers in batch and serves."""

from __future__ import annotations

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from models.candidates import Candidates, listed, without
from models.errors import BundleError
from models.features import FeatureSpec, UserBatch, collapse, pad_history
from models.histories import newest
from models.index.arrays import Vectors
from models.index.selection import Filter
from models.item_table import ItemTable
from models.nets.ranker_net import RANKER, RankerNet
from models.popularity import Popularity
from models.retrievers.loading import feature_spec, load_retriever
from models.user_state import UserState
from models.vocabulary import USERS_FILE, Rows, Vocabulary

NUM_CANDIDATES = 200
"""How many items retrieval hands to the ranker: in evaluation, in batch answers and in serving alike."""


class Recommender:
    """One bundle in memory. Not bound to Ray; safe to share between threads (it only reads)."""

    def __init__(self, folder: Path, version: str, spec: FeatureSpec) -> None:
        self.version = version
        self.spec = spec
        self.items = ItemTable.load(folder)
        self.popularity = Popularity.load(folder)
        self._users = Vocabulary(pq.read_table(folder / USERS_FILE)["user_id"].to_pylist(), spec.user_buckets)
        self._features = self.items.features(spec, words=False)
        self._retriever = load_retriever(folder, self.items)
        self._ranker = RankerNet.load(folder, spec) if (folder / RANKER).exists() else None

    @classmethod
    def load(cls, folder: Path, version: str, feature_digest: str | None = None) -> Recommender:
        """Load a verified bundle folder.

        `feature_digest`: the manifest's; `BundleError` when the bundle was built for another feature spec, is
        incomplete, or its weights do not fit.
        """
        try:
            spec = feature_spec(folder)
            if spec.version != FeatureSpec().version or feature_digest not in (None, spec.digest()):
                raise BundleError(f"bundle {version} was built for another feature spec. Train and publish it again.")
            return cls(folder, version, spec)
        except (OSError, ValueError, KeyError, TypeError, pa.ArrowException) as error:
            raise BundleError(f"bundle {version} cannot be loaded: {error}. Publish it again.") from error

    def batch(self, users: Sequence[UserState]) -> UserBatch:
        """Users as arrays: what crosses a hop of the serving graph. Histories are as long as the longest that is asked
        for, by the retriever or the ranker.
        """
        length = max(self.spec.history_length, self._ranker.spec.history_length if self._ranker else 0)
        histories = [pad_history(collapse(self.items.vocabulary.known_rows(u.positives)), length) for u in users]
        return UserBatch(
            user=np.asarray([self._users.bucket(u.user_id) for u in users], np.int64),
            country=np.asarray([self.spec.country(u.country) for u in users], np.int64),
            history=np.stack(histories),
            now_us=np.asarray([u.now_us for u in users], np.int64),
            profile=self.spec.profiles([u.attributes for u in users]),
        )

    def rows(self, item_ids: AbstractSet[str]) -> Rows:
        """Rows of the known items among `item_ids`."""
        return np.asarray(self.items.vocabulary.known_rows(list(item_ids)), np.int64)

    def rows_in_order(self, item_ids: Sequence[str]) -> Rows:
        """Rows of the known items among `item_ids`, in their order."""
        return np.asarray(self.items.vocabulary.known_rows(item_ids), np.int64)

    def retrieve(self, users: Sequence[UserState], k: int, exclude: Sequence[AbstractSet[str]]) -> list[Candidates]:
        """The best `k` of the whole catalogue for each user; items of `exclude` never appear."""
        if not users:
            return []
        return self.retrieve_batch(self.batch(users), k, [self.rows(ids) for ids in exclude])

    def retrieve_batch(
        self, users: UserBatch, k: int, barred: Sequence[Rows], allowed: Filter | None = None
    ) -> list[Candidates]:
        """`retrieve` on arrays: `barred` are item rows of each user; of `allowed`, where given, all answers are."""
        return listed(*self._retriever.search(self._for_retrieval(users), k, barred, allowed))

    def rank(self, users: Sequence[UserState], candidates: Sequence[Candidates]) -> list[Candidates]:
        """Candidates re-ordered by final score: retrieval score + weight × ranker logit."""
        return self.rank_batch(self.batch(users), candidates) if users else []

    def rank_batch(self, users: UserBatch, candidates: Sequence[Candidates]) -> list[Candidates]:
        """`rank` on arrays."""
        if self._ranker is None or self._ranker.weight == 0.0:
            return list(candidates)
        logits = self._logits(self._ranker, users, [c.item_rows for c in candidates])
        ranked = []
        for candidate, logit in zip(candidates, logits, strict=True):
            ranked.append(candidate.reordered(candidate.scores + np.float32(self._ranker.weight) * logit))
        return ranked

    def score_pairs(self, users: Sequence[UserState], item_ids: Sequence[Sequence[str]]) -> list[NDArray[np.float32]]:
        """Final score of given items for each user; NaN for an item the bundle does not know."""
        if not users:
            return []
        rows = [np.asarray([self.items.vocabulary.row(i) or 0 for i in ids], np.int64) for ids in item_ids]
        known = [np.asarray([self.items.vocabulary.row(i) is not None for i in ids], bool) for ids in item_ids]
        scores = self.score_batch(self.batch(users), rows)
        return [np.where(k, s, np.nan).astype(np.float32) for s, k in zip(scores, known, strict=True)]

    def score_batch(self, users: UserBatch, item_rows: Sequence[Rows]) -> list[NDArray[np.float32]]:
        """Final score of given item rows for each user, in their order."""
        lengths = [len(rows) for rows in item_rows]
        owner = np.repeat(np.arange(len(users)), lengths)
        flat = self._retriever.scores(self._for_retrieval(users), owner, np.concatenate(item_rows))
        scores = np.split(flat, np.cumsum(lengths)[:-1])
        if self._ranker is not None and self._ranker.weight:
            logits = self._logits(self._ranker, users, item_rows)
            scores = [s + np.float32(self._ranker.weight) * x for s, x in zip(scores, logits, strict=True)]
        return scores

    def similar(self, item_ids: Sequence[str], k: int, allowed: Filter | None = None) -> list[Candidates]:
        """The items most like each item, itself left out, of `allowed` where given; empty for an unknown item."""
        rows = [self.items.vocabulary.row(item_id) for item_id in item_ids]
        known = np.asarray([row for row in rows if row is not None], np.int64)
        if not len(known):
            return [Candidates.empty() for _ in rows]
        found, scores = self._retriever.neighbours(known, k + 1, allowed)
        lists = iter(without(found, scores, list(known[:, None]), k))
        return [Candidates.empty() if row is None else next(lists) for row in rows]

    def popular(self, country: str | None, k: int, exclude: AbstractSet[str] = frozenset()) -> Candidates:
        """Popular in the country, then everywhere. Excluded items return at the end rather than leave it empty."""
        rows, scores = self.popularity.top(country)
        barred = np.isin(rows, self.items.vocabulary.known_rows(list(exclude)))
        if barred.all():
            return Candidates(rows, scores).head(k)
        return Candidates(rows[~barred], scores[~barred]).head(k)

    def has_signal(self, user: UserState) -> bool:
        """True when the bundle knows the user or, where it goes by profiles, they have one."""
        return self.knows(user) or (self._retriever.by_profile and bool(user.attributes))

    def knows(self, user: UserState) -> bool:
        """True when the bundle knows an item of the user's history or, where that says something, their id."""
        if self._retriever.by_user_id and self._users.row(user.user_id) is not None:
            return True
        return bool(self.items.vocabulary.known_rows(user.positives))

    def causes(self, user: UserState, item_rows: NDArray[np.int64]) -> list[str | None]:
        """For each item, the id of the history item most like it; None without a known history."""
        history = np.unique(self.items.vocabulary.known_rows(user.positives[-self.spec.history_length :]))
        if not len(history) or not len(item_rows):
            return [None] * len(item_rows)
        nearest = np.argmax(self._retriever.similarity(item_rows, history), axis=1)
        return [self.items.ids[history[column]] for column in nearest]

    def item_vectors(self, rows: Rows | None = None) -> Vectors | None:
        """Vectors of all items in row order, or of `rows`, [num_items, dim]; None when the retriever has none."""
        return self._retriever.item_vectors(rows)

    def user_vectors(self, users: Sequence[UserState]) -> Vectors | None:
        """Vectors of users as of their `now`, [len(users), dim]; None when the retriever has none."""
        return self.batch_vectors(self.batch(users))

    def batch_vectors(self, users: UserBatch) -> Vectors | None:
        """`user_vectors` on arrays."""
        return self._retriever.user_vectors(self._for_retrieval(users))

    def retrieval_scores(self, users: UserBatch, rows: Rows) -> NDArray[np.float32]:
        """[batch, len(rows)]: the retriever's scores of the same item rows for each user."""
        owner = np.repeat(np.arange(len(users)), len(rows))
        flat = self._retriever.scores(self._for_retrieval(users), owner, np.tile(rows, len(users)))
        return flat.reshape(len(users), len(rows))

    def _for_retrieval(self, users: UserBatch) -> UserBatch:
        return newest(users, self.spec.history_length)

    def _logits(
        self, ranker: RankerNet, users: UserBatch, item_rows: Sequence[NDArray[np.int64]]
    ) -> list[NDArray[np.float32]]:
        owner = np.repeat(np.arange(len(users)), [len(rows) for rows in item_rows])
        rows = np.concatenate(item_rows)
        logits = ranker.logits(self._features, users, owner, rows)
        return np.split(logits, np.cumsum([len(r) for r in item_rows])[:-1])
