"""The index against NumPy's own products, and on disk."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import faiss
import numpy as np
import pytest

from models.errors import BundleError
from models.index.config import Kind
from models.index.vector_index import VectorIndex
from tests.models.index.worlds import DIM, KINDS, NUM_ITEMS, built, fresh, world

pytestmark = pytest.mark.slow

VECTORS = np.random.default_rng(1).normal(size=(50, 8)).astype(np.float32)
QUERIES = np.random.default_rng(2).normal(size=(3, 8)).astype(np.float32)


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    path = tmp_path / "index.faiss"
    built("ivf_sq8").save(path)
    return path


def test_search_is_the_sorted_inner_product() -> None:
    rows, scores = VectorIndex.build(VECTORS).search(QUERIES, 5)
    products = QUERIES @ VECTORS.T
    assert rows.tolist() == np.argsort(-products, axis=1)[:, :5].tolist()
    np.testing.assert_allclose(scores, -np.sort(-products, axis=1)[:, :5], rtol=1e-5)


def test_more_than_all_is_all() -> None:
    rows, _ = VectorIndex.build(VECTORS).search(QUERIES, 1_000)
    assert sorted(rows[0].tolist()) == list(range(50))


def test_nobody_finds_nothing() -> None:
    for kind in KINDS:
        rows, scores = built(kind).search(np.zeros((0, DIM), np.float32), 5)
        assert rows.shape == scores.shape == (0, 5)


def test_a_saved_index_is_the_same(tmp_path: Path) -> None:
    index = VectorIndex.build(VECTORS)
    index.save(tmp_path / "index.faiss")
    loaded = VectorIndex.load(tmp_path / "index.faiss")
    assert len(loaded) == 50
    np.testing.assert_array_equal(loaded.vectors(np.asarray([7, 3])), VECTORS[[7, 3]])


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_survives_the_disk(kind: Kind, tmp_path: Path) -> None:
    index, (_, users) = fresh(kind), world()
    index.add(users[:1])  # what was added is not of the bundle
    index.save(tmp_path / "index.faiss")
    loaded = VectorIndex.load(tmp_path / "index.faiss")
    assert loaded.record == built(kind).record
    assert len(loaded) == NUM_ITEMS
    mask = np.arange(NUM_ITEMS) % 2 == 0
    for allowed in (None, mask):
        for found, expected in zip(
            loaded.search(users, 20, allowed), built(kind).search(users, 20, allowed), strict=True
        ):
            np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(loaded.vectors(np.arange(9)), built(kind).vectors(np.arange(9)))


def test_an_index_of_an_earlier_shoal_is_read_and_filtered(tmp_path: Path) -> None:
    """It is flat whatever its size, and alone in its folder."""
    vectors = np.random.default_rng(4).normal(size=(70_000, 4)).astype(np.float32)
    flat = faiss.IndexFlatIP(4)
    flat.add(vectors)
    faiss.write_index(flat, str(tmp_path / "index.faiss"))
    loaded = VectorIndex.load(tmp_path / "index.faiss")
    assert loaded.record is None
    queries, mask = vectors[:3], np.arange(len(vectors)) % 3 > 0
    products = np.where(mask, queries @ vectors.T, -np.inf)
    order = np.argsort(-products, axis=1)
    rows, scores = loaded.search(queries, 10, mask, list(order[:, :4]))
    assert rows.tolist() == order[:, 4:14].tolist()
    np.testing.assert_allclose(scores, np.take_along_axis(products, rows, axis=1), rtol=1e-5)


@pytest.mark.parametrize("content", [b"", b"not an index", b"IxFI\x08\x00"])
def test_a_file_that_is_no_index(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "index.faiss"
    path.write_bytes(content)
    with pytest.raises(BundleError, match=r"index\.faiss is unreadable"):
        VectorIndex.load(path)


@pytest.mark.parametrize(
    "name", ["index.faiss", "index.json", "index.lists.npy", "index.vectors.npy", "index.scale.npy"]
)
def test_an_index_lacks_none_of_its_files(saved: Path, name: str) -> None:
    path = saved.with_name(name)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(BundleError):
        VectorIndex.load(saved)
    path.unlink()
    with pytest.raises(BundleError):
        VectorIndex.load(saved)


def test_files_of_two_indexes_are_refused(saved: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    VectorIndex.build(world()[0][:-1], config=None).save(other / "index.faiss")
    shutil.copy(other / "index.json", saved.with_name("index.json"))
    with pytest.raises(BundleError, match=r"index\.json is not of index\.faiss"):
        VectorIndex.load(saved)


def test_a_record_goes_with_its_index(saved: Path) -> None:
    assert json.loads(saved.with_name("index.json").read_bytes())["kind"] == "ivf_sq8"
    VectorIndex.exact(VECTORS).save(saved)
    assert not saved.with_name("index.json").exists()
    assert VectorIndex.load(saved).record is None
