"""Late fusion: scales that fit together, and content in the lead where nothing is known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from models.features import UserBatch, no_profiles
from models.index.vector_index import VectorIndex
from models.retrievers.hybrid import HybridRetriever, Source, read_fusion, save_fusion
from models.retrievers.vectors import VectorRetriever

NUM_ITEMS = 8
COUNTS = np.asarray([50, 50, 50, 50, 50, 50, 0, 0])
"""The last two items are new."""


class Fixed:
    """Every user is the same vector."""

    def __init__(self, *vector: float) -> None:
        self._vector = np.asarray(vector, np.float32)

    def encode(self, users: UserBatch) -> np.ndarray:
        return np.tile(self._vector, (len(users), 1))


def users(*histories: list[int]) -> UserBatch:
    history = np.full((len(histories), 4), -1, np.int32)
    for row, items in enumerate(histories):
        history[row, len(history[row]) - len(items) :] = items
    zero = np.zeros(len(histories), np.int64)
    return UserBatch(zero, zero, history, zero, no_profiles(len(histories)))


def source(name: str, scale: float, preferred: list[int]) -> Source:
    """Scores `scale` × 10, 9, 8, … in the order of `preferred`, 0 for the rest."""
    scores = np.zeros((NUM_ITEMS, 1), np.float32)
    for place, item in enumerate(preferred):
        scores[item] = scale * (10 - place)
    return Source(name, VectorRetriever(Fixed(1.0), VectorIndex.build(scores)), 4, name == "content")


@pytest.fixture
def hybrid() -> HybridRetriever:
    return HybridRetriever([source("als", 0.01, [0, 6, 1]), source("content", 100.0, [7, 2, 6])], COUNTS)


def pair_scores(hybrid: HybridRetriever, batch: UserBatch) -> np.ndarray:
    owner = np.repeat(np.arange(len(batch)), NUM_ITEMS)
    return hybrid.scores(batch, owner, np.tile(np.arange(NUM_ITEMS), len(batch))).reshape(len(batch), NUM_ITEMS)


def test_a_source_counts_by_its_weight_and_not_by_the_size_of_its_scores(hybrid: HybridRetriever) -> None:
    batch = users([3, 4, 5])
    alone = hybrid.weighed(np.asarray([1.0, 0.0, 0.0]))
    assert pair_scores(alone, batch)[0].argmax() == 0
    assert pair_scores(hybrid.weighed(np.asarray([0.0, 1.0, 0.0])), batch)[0].argmax() == 7


def test_of_new_items_and_for_new_users_content_alone_decides(hybrid: HybridRetriever) -> None:
    # The collaborative source would put item 6 before item 7; with no training event it has no say.
    scores = pair_scores(hybrid.weighed(np.asarray([100.0, 0.0, 1.0])), users([3, 4, 5], []))
    assert scores[0, 7] > scores[0, 6] > scores[0, 3]
    assert scores[1].argsort()[::-1][:3].tolist() == [7, 2, 6]


def test_search_finds_what_any_source_proposes_in_the_order_of_scores(hybrid: HybridRetriever) -> None:
    batch = users([3, 4], [])
    rows, scores = hybrid.search(batch, 3)
    everything = pair_scores(hybrid, batch)
    for row, line in enumerate(everything):
        assert rows[row].tolist() == np.argsort(-line, kind="stable")[:3].tolist()
        np.testing.assert_allclose(scores[row], -np.sort(-line)[:3], rtol=1e-5)


def test_a_user_alone_is_scored_as_in_a_batch(hybrid: HybridRetriever) -> None:
    together = pair_scores(hybrid, users([3], [4, 5]))
    np.testing.assert_allclose(pair_scores(hybrid, users([4, 5]))[0], together[1], rtol=1e-6)


def test_weights_survive_the_disk(tmp_path: Path) -> None:
    save_fusion(tmp_path, ["als", "content"], [1.5, 0.0, 2.0])
    names, weights = read_fusion(tmp_path)
    assert (names, weights.tolist()) == (["als", "content"], [1.5, 0.0, 2.0])


@pytest.mark.parametrize(
    ("weights", "kept"),
    [
        ([1.0, 0.0, 0.5, 0.7], ["als", "content"]),
        ([0.0, 2.0, 0.0, 1.0], ["near", "content"]),
        ([0.0, 2.0, 0.0, 0.0], ["near"]),
        ([0.3, 2.0, 0.1, 0.2], ["als", "near", "content"]),
    ],
)
def test_without_idle_sources_every_score_stays(weights: list[float], kept: list[str]) -> None:
    sources = [source("als", 0.01, [0, 6, 1]), source("near", 1.0, [5, 1, 2]), source("content", 100.0, [7, 2, 6])]
    hybrid = HybridRetriever(sources, np.full(NUM_ITEMS, 10**9), np.asarray(weights))  # items that all is known of
    lean = hybrid.without_idle()
    assert lean.names == kept
    batch = users([3, 4, 5], [0])
    np.testing.assert_allclose(pair_scores(lean, batch), pair_scores(hybrid, batch), rtol=1e-6)


def test_where_nothing_weighs_anything_all_stay(hybrid: HybridRetriever) -> None:
    assert hybrid.weighed(np.zeros(3)).without_idle().names == ["als", "content"]
