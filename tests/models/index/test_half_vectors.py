"""Half precision: no column costs another its digits."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from models.errors import BundleError
from models.index.half_vectors import HalfVectors

VECTORS = np.random.default_rng(1).normal(size=(300, 6)).astype(np.float32)
VECTORS *= np.asarray([1e6, 1e3, 1, 1e-3, 1e-6, 0], np.float32)


def test_every_column_keeps_its_digits() -> None:
    rows = np.asarray([3, 299, 3])
    np.testing.assert_allclose(HalfVectors.of(VECTORS).vectors(rows), VECTORS[rows], rtol=1e-3, atol=1e-9)


def test_scores_are_those_of_the_vectors() -> None:
    halves, query = HalfVectors.of(VECTORS), np.asarray([1e-6, 1e-3, 1, 1e3, 1e6, 5], np.float32)
    rows = np.arange(300)
    np.testing.assert_allclose(halves.scores(query, rows), halves.vectors(rows) @ query, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(halves.scores(query, rows), VECTORS @ query, atol=5e-3)


def test_a_file_of_another_index_is_refused(tmp_path: Path) -> None:
    HalfVectors.of(VECTORS).save(tmp_path / "index.faiss")
    loaded = HalfVectors.load(tmp_path / "index.faiss", 300, 6)
    np.testing.assert_array_equal(loaded.vectors(np.arange(300)), HalfVectors.of(VECTORS).vectors(np.arange(300)))
    with pytest.raises(BundleError, match="of another index"):
        HalfVectors.load(tmp_path / "index.faiss", 299, 6)
