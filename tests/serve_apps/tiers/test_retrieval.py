"""Retrieval as the router asks it: each user of a batch has what is allowed to them, out of the whole catalogue."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import numpy as np
import pytest

from cluster.registry import Registry
from models.events import EventType
from models.features import UserBatch
from models.index.packed_rows import PackedRows
from models.recommender import Recommender
from models.user_state import HistoryEvent, UserState
from models.vocabulary import Rows
from serve_apps.live.bundles import LiveBundles
from serve_apps.tiers.retrieval import Retrieval
from serve_apps.tiers.unpacked import Unpacked

NOTHING: Rows = np.zeros(0, np.int64)
NUM_ITEMS = 60


@pytest.fixture(scope="module")
def recommender(sample_registry: str) -> Recommender:
    return Recommender.load(Registry(sample_registry).fetch("v1"), "v1")


@pytest.fixture(scope="module")
def retrieval(sample_registry: str) -> Retrieval:
    return Retrieval(LiveBundles(sample_registry))


def batch(recommender: Recommender, num_users: int) -> UserBatch:
    now = datetime(2026, 1, 31, tzinfo=UTC)
    histories = [(HistoryEvent(f"i{7 * n}", EventType.CLICK, 1),) for n in range(num_users)]
    return recommender.batch([UserState(f"u{n}", now, history) for n, history in enumerate(histories)])


def packed(*rows: int) -> PackedRows:
    return PackedRows.of(np.isin(np.arange(NUM_ITEMS), rows))


def test_each_user_has_the_best_of_what_is_allowed_to_them(retrieval: Retrieval, recommender: Recommender) -> None:
    users, few, odd = batch(recommender, 4), packed(3, 5, 8), packed(*range(1, NUM_ITEMS, 2))
    masks = [few, None, odd, few]
    barred = [NOTHING, NOTHING, np.asarray([1, 3]), np.asarray([5])]
    whole = recommender.retrieve_batch(users, NUM_ITEMS, barred)
    found = asyncio.run(retrieval.retrieve("v1", users, 10, barred, masks))
    for all_of_them, some, mask in zip(whole, found, masks, strict=True):
        rows = all_of_them.item_rows
        expected = rows if mask is None else rows[mask.allowed().mask[rows]]
        assert some.item_rows.tolist() == expected[:10].tolist()


def test_neighbours_are_of_what_is_allowed(retrieval: Retrieval, recommender: Recommender) -> None:
    few = packed(3, 5, 8, 9)
    item_ids = ["i3", "nothing", "i20"]
    found = asyncio.run(retrieval.similar("v1", item_ids, 3, [few, few, None]))
    assert sorted(found[0].item_rows.tolist()) == [5, 8, 9]
    assert len(found[1]) == 0
    assert found[2].item_rows.tolist() == recommender.similar(["i20"], 3)[0].item_rows.tolist()


def test_scores_and_vectors_are_those_of_retrieval(retrieval: Retrieval, recommender: Recommender) -> None:
    users, rows = batch(recommender, 3), np.asarray([4, 4, 59])
    scores = asyncio.run(retrieval.scores("v1", users, rows))
    vectors = asyncio.run(retrieval.user_vectors("v1", users))
    items = recommender.item_vectors(rows)
    assert items is not None
    np.testing.assert_allclose(vectors @ items.T, scores, rtol=1e-5)
    best = recommender.retrieve_batch(users, NUM_ITEMS, [NOTHING] * 3)
    for line, candidates in zip(scores, best, strict=True):
        at = candidates.item_rows.tolist().index(4)
        assert line[0] == line[1] == pytest.approx(float(candidates.scores[at]), rel=1e-5)


def test_a_mask_is_unpacked_once_and_the_longest_unused_goes() -> None:
    unpacked = Unpacked(max_rows=2 * NUM_ITEMS)
    one, two, three = packed(1), packed(2), packed(3)
    first, second = unpacked.of(one), unpacked.of(two)
    assert unpacked.of(packed(1)) is first
    unpacked.of(three)  # the second is the longest unused
    assert unpacked.of(one) is first
    assert unpacked.of(two) is not second
