"""Which index is built, how well it finds, and that a seed repeats it."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from models.errors import InputError
from models.index.config import IndexConfig, Kind, num_lists, pq_bytes
from models.index.vector_index import VectorIndex
from tests.models.index.worlds import CONFIGS, DIM, KINDS, NUM_ITEMS, built, exact_rows, recall, world

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    ("num_items", "dim", "kind"),
    [
        (2_000, 64, "exact"),
        (50_000, 64, "exact"),
        (50_001, 64, "ivf_sq8"),
        (10_000_000, 64, "ivf_sq8"),
        (20_000_000, 64, "ivf_pq"),
        (10_000_000, 131, "ivf_sq8"),  # 131 is prime: it does not divide into short parts
    ],
)
def test_the_size_of_a_catalogue_chooses(num_items: int, dim: int, kind: Kind) -> None:
    assert IndexConfig().kind(num_items, dim) == kind


def test_sizes_of_lists_and_codes() -> None:
    assert (num_lists(1), num_lists(50_000), num_lists(10**6), num_lists(10**7)) == (2, 447, 2_000, 6_325)
    assert (pq_bytes(64), pq_bytes(385), pq_bytes(131), pq_bytes(1)) == (32, 77, 1, 1)


@pytest.mark.parametrize("kind", KINDS)
def test_a_build_measures_its_recall(kind: Kind) -> None:
    items, _ = world()
    record = built(kind).record
    assert record is not None
    assert (record.kind, record.num_items, record.dim) == (kind, NUM_ITEMS, DIM)
    assert record.recall_at_100 >= 0.95
    assert (record.nprobe > 0) == (kind != "exact")
    assert record.build_s > 0
    sample = items[:200]
    found = recall(built(kind).search(sample, 100), exact_rows(sample, items, 100))
    assert found == pytest.approx(record.recall_at_100, abs=0.03)


@pytest.mark.parametrize("kind", KINDS)
def test_scores_are_inner_products(kind: Kind) -> None:
    items, users = world()
    rows, scores = built(kind).search(users, 100)
    products = np.einsum("qkd,qd->qk", items[rows], users)
    sizes = np.linalg.norm(items[rows], axis=2) * np.linalg.norm(users, axis=1)[:, None]
    assert (np.abs(scores - products) <= 5e-4 * sizes).all()
    assert (np.diff(scores, axis=1) <= 0).all()


@pytest.mark.parametrize("kind", KINDS)
def test_more_than_a_search_is_tuned_for(kind: Kind) -> None:
    items, users = world()
    found = built(kind).search(users[:8], 2_000)
    assert recall(found, exact_rows(users[:8], items, 2_000)) >= 0.9
    everything, _ = built(kind).search(users[:1], NUM_ITEMS + 5)
    assert sorted(everything[0]) == list(range(NUM_ITEMS))


def test_a_search_that_finds_too_little_is_widened_and_says_so(caplog: pytest.LogCaptureFixture) -> None:
    items, users = world()
    with caplog.at_level(logging.WARNING):
        index = VectorIndex.build(items, users, replace(CONFIGS["ivf_sq8"], nprobe=1, min_recall=0.98))
    assert index.record is not None
    assert index.record.nprobe > 1
    assert index.record.recall_at_100 >= 0.98
    assert "under 0.980: with nprobe 2" in caplog.text
    assert recall(index.search(users, 100), exact_rows(users, items, 100)) >= 0.975


def test_what_cannot_be_reached_is_said_and_recorded(caplog: pytest.LogCaptureFixture) -> None:
    items = world()[0][:3_000]
    with caplog.at_level(logging.WARNING):
        index = VectorIndex.build(items, config=replace(CONFIGS["ivf_sq8"], min_recall=1.01))
    assert "though everything is read; 1.010 was asked" in caplog.text
    assert index.record is not None
    assert index.record.recall_at_100 >= 0.99


@pytest.mark.parametrize("kind", ["ivf_sq8", "ivf_pq"])
def test_a_seed_repeats_an_index_to_the_byte(kind: Kind, tmp_path: Path) -> None:
    items = world()[0][:2_000]
    for name, seed in (("one", 1), ("same", 1), ("other", 2)):
        (tmp_path / name).mkdir()
        VectorIndex.build(items, config=replace(CONFIGS[kind], seed=seed)).save(tmp_path / name / "index.faiss")
    files = {path.name for path in (tmp_path / "one").iterdir()}
    assert files == {"index.faiss", "index.json", "index.lists.npy", "index.vectors.npy", "index.scale.npy"}
    one, same, other = (
        {name: (tmp_path / folder / name).read_bytes() for name in files - {"index.json"}}
        for folder in ("one", "same", "other")
    )
    assert one == same
    assert one["index.faiss"] != other["index.faiss"]


@pytest.mark.parametrize("kind", KINDS)
def test_items_that_are_all_alike_can_be_indexed(kind: Kind) -> None:
    for items in (np.zeros((2_000, DIM), np.float32), np.ones((2_000, DIM), np.float32)):
        index = VectorIndex.build(items, config=CONFIGS[kind])
        rows, scores = index.search(np.ones((1, DIM), np.float32), 10)
        assert len(set(rows[0])) == 10
        np.testing.assert_allclose(scores[0], items[:10].sum(axis=1))


def test_what_is_no_number_and_nothing_at_all_are_refused() -> None:
    items = world()[0][:2_000].copy()
    items[7, 3] = np.nan
    with pytest.raises(InputError, match="NaN or infinity"):
        VectorIndex.build(items, config=CONFIGS["ivf_sq8"])
    with pytest.raises(InputError, match="no item vectors"):
        VectorIndex.build(np.zeros((0, DIM), np.float32))
