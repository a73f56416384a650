"""The index against NumPy's own products."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from models.errors import BundleError
from models.index import VectorIndex

VECTORS = np.random.default_rng(1).normal(size=(50, 8)).astype(np.float32)
QUERIES = np.random.default_rng(2).normal(size=(3, 8)).astype(np.float32)


def test_search_is_the_sorted_inner_product() -> None:
    rows, scores = VectorIndex.build(VECTORS).search(QUERIES, 5)
    products = QUERIES @ VECTORS.T
    assert rows.tolist() == np.argsort(-products, axis=1)[:, :5].tolist()
    np.testing.assert_allclose(scores, -np.sort(-products, axis=1)[:, :5], rtol=1e-5)


def test_more_than_all_is_all() -> None:
    rows, _ = VectorIndex.build(VECTORS).search(QUERIES, 1_000)
    assert sorted(rows[0].tolist()) == list(range(50))


def test_a_saved_index_is_the_same(tmp_path: Path) -> None:
    index = VectorIndex.build(VECTORS)
    index.save(tmp_path / "index.faiss")
    loaded = VectorIndex.load(tmp_path / "index.faiss")
    assert len(loaded) == 50
    np.testing.assert_array_equal(loaded.vectors(np.asarray([7, 3])), VECTORS[[7, 3]])


@pytest.mark.parametrize("content", [b"", b"not an index", b"IxFI\x08\x00"])
def test_a_file_that_is_no_index(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "index.faiss"
    path.write_bytes(content)
    with pytest.raises(BundleError, match=r"index\.faiss is unreadable"):
        VectorIndex.load(path)
