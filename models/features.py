"""One feature definition for training and serving: the spec, and pure transforms to look-up inputs (`Jagged`)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace

import numpy as np
import polars as pl
from numpy.typing import NDArray

from models.profiles import MAX_ATTRIBUTES
from models.ragged import Jagged, Ragged, unpadded
from models.title_words import title_words
from models.vocabulary import Rows, hash_bucket

USER_FEATURES = ("user", "country", "history", "recent", "last")
NUM_DENSE = 4
_US_PER_DAY = 86_400_000_000


@dataclass(frozen=True, slots=True)
class FeatureSpec:
    """What the model sees. Its digest is stored with examples, run and bundle; a change makes a new digest."""

    history_length: int = 50
    recent_length: int = 5
    user_buckets: int = 16
    country_buckets: int = 64
    category_buckets: int = 256
    profile_buckets: int = 1_024
    word_buckets: int = 8_192
    version: int = 3

    def digest(self) -> str:
        """SHA-256 over the canonical JSON."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()

    def with_buckets_of(self, other: FeatureSpec) -> FeatureSpec:
        """This spec with every number of buckets of another, so that both look up the same rows."""
        names = [field.name for field in fields(self) if field.name.endswith("_buckets")]
        return replace(self, **{name: getattr(other, name) for name in names})

    def country(self, country: str | None) -> int:
        """Bucket of a country; bucket 0 is "unknown"."""
        return 1 + hash_bucket(country, self.country_buckets - 1) if country else 0

    def categories(self, categories: Sequence[str]) -> list[int]:
        """Distinct buckets of an item's categories, ascending."""
        return sorted({hash_bucket(name, self.category_buckets) for name in categories})

    def profiles(self, users: Sequence[Mapping[str, str]]) -> NDArray[np.int32]:
        """Buckets of each user's attributes in order of name, [num_users, MAX_ATTRIBUTES]; -1 is padding."""
        padded = no_profiles(len(users))
        for row, attributes in zip(padded, users, strict=True):
            named = sorted(attributes.items())[:MAX_ATTRIBUTES]
            row[: len(named)] = [hash_bucket(f"{name}={value}", self.profile_buckets) for name, value in named]
        return padded


@dataclass(frozen=True, slots=True)
class UserBatch:
    """Users as of a moment each. `history`: [batch, history_length] item rows, newest last, -1 is padding.

    `profile`: [batch, MAX_ATTRIBUTES] buckets (`FeatureSpec.profiles`).
    """

    user: Rows
    country: Rows
    history: NDArray[np.int32]
    now_us: NDArray[np.int64]
    profile: NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.user)

    def take(self, index: NDArray[np.int64] | slice) -> UserBatch:
        """The users at `index`, in that order."""
        return UserBatch(
            self.user[index], self.country[index], self.history[index], self.now_us[index], self.profile[index]
        )


@dataclass(frozen=True, slots=True)
class ItemFeatures:
    """Static features of every item, by row."""

    categories: Ragged
    words: Ragged
    log_popularity: NDArray[np.float32]
    released_us: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.log_popularity)

    def categories_of(self, items: Rows) -> Jagged:
        """Category buckets of each item row."""
        return self.categories.take(items)

    def words_of(self, items: Rows) -> Jagged:
        """Buckets of the words of each item row's title."""
        return self.words.take(items)


def item_features(
    spec: FeatureSpec,
    categories: Sequence[Sequence[str]],
    counts: NDArray[np.int64],
    released_us: NDArray[np.int64],
    titles: pl.Series | None = None,
) -> ItemFeatures:
    """Features of a catalogue in row order. `released_us` is -1 where unknown; without `titles` there are no words."""
    buckets = [spec.categories(names) for names in categories]
    return ItemFeatures(
        Ragged.of([value for b in buckets for value in b], [len(b) for b in buckets]),
        Ragged.of([], [0] * len(buckets)) if titles is None else title_words(titles, spec.word_buckets),
        np.log1p(counts).astype(np.float32),
        released_us,
    )


def no_profiles(num_users: int) -> NDArray[np.int32]:
    """`UserBatch.profile` of users of whom nothing is known."""
    return np.full((num_users, MAX_ATTRIBUTES), -1, np.int32)


def user_features(users: UserBatch, recent_length: int) -> dict[str, Jagged]:
    """The user side of every look-up: `USER_FEATURES`, each [batch].

    `recent_length` 0: the history has no order, so nothing of it is recent or last.
    """
    ones = np.ones(len(users), dtype=np.int32)
    none = np.full((len(users), 0), -1, np.int32)
    return {
        "user": Jagged(users.user, ones),
        "country": Jagged(users.country, ones),
        "history": unpadded(users.history),
        "recent": unpadded(users.history[:, -recent_length:] if recent_length else none),
        "last": unpadded(users.history[:, -1:] if recent_length else none),
    }


def item_side(name: str, features: ItemFeatures, items: Rows) -> dict[str, Jagged]:
    """Look-ups `name` (the item itself) and `name_categories` for one item an example."""
    ones = np.ones(len(items), dtype=np.int32)
    return {name: Jagged(items, ones), f"{name}_categories": features.categories_of(items)}


def context_features(rows: NDArray[np.int32]) -> dict[str, Jagged]:
    """Look-ups `context_0`, `context_1`, … of [batch, num_fields] context rows; -1 is absent and looks up nothing."""
    return {f"context_{field}": unpadded(rows[:, field : field + 1]) for field in range(rows.shape[1])}


def dense_features(
    users: UserBatch,
    features: ItemFeatures,
    items: Rows,
    log_popularity: NDArray[np.float32] | None = None,
    owner: Rows | None = None,
) -> NDArray[np.float32]:
    """[num_pairs, NUM_DENSE]: log history length, log item popularity, log days since release, category affinity.

    Pair p is user `owner[p]` with item row `items[p]`; without `owner`, user p. What is of the user alone is made once
    for each.

    Affinity is the share of the user's history events that lie in a category of the item, averaged over
    the item's categories; an unknown release date counts as 0 days. `log_popularity`: of each pair as of the
    user's `now_us`, which training gives; without it, that of the whole training part.
    """
    owner = np.arange(len(users)) if owner is None else owner
    known = users.history >= 0
    released = features.released_us[items]
    days = np.where(released >= 0, np.maximum(users.now_us[owner] - released, 0) / _US_PER_DAY, 0.0)
    affinity = _category_affinity(users.history, known, features, items, owner)
    popularity = features.log_popularity[items] if log_popularity is None else log_popularity
    columns = (np.log1p(known.sum(axis=1))[owner], popularity, np.log1p(days) / 5.0, affinity)
    return np.stack(columns, axis=1).astype(np.float32)


def collapse(rows: Sequence[int]) -> list[int]:
    """Rows without immediate repeats: a view, a click and a purchase of one item in a row are one step of a history."""
    return [row for i, row in enumerate(rows) if i == 0 or row != rows[i - 1]]


def pad_history(rows: Sequence[int], length: int) -> NDArray[np.int32]:
    """The last `length` rows, newest last, padded in front with -1."""
    history = np.full(length, -1, dtype=np.int32)
    tail = rows[-length:] if length else []
    if len(tail):
        history[-len(tail) :] = tail
    return history


def _category_affinity(
    history: NDArray[np.int32], known: NDArray[np.bool_], features: ItemFeatures, items: Rows, owner: Rows
) -> NDArray[np.float64]:
    num_users, num_pairs = len(history), len(items)
    if num_pairs == 0:
        return np.zeros(0)
    num_buckets = int(features.categories.values.max(initial=0)) + 1
    event_owner = np.repeat(np.arange(num_users), known.sum(axis=1))
    seen = features.categories_of(history[known].astype(np.int64))
    cells = np.repeat(event_owner, seen.lengths) * num_buckets + seen.values
    counts = np.bincount(cells, minlength=num_users * num_buckets).reshape(num_users, num_buckets)
    profile = counts / np.maximum(known.sum(axis=1, keepdims=True), 1)
    target = features.categories_of(items)
    pair = np.repeat(np.arange(num_pairs), target.lengths)
    total = np.bincount(pair, weights=profile[owner[pair], target.values], minlength=num_pairs)
    return np.asarray(total / np.maximum(target.lengths, 1))
