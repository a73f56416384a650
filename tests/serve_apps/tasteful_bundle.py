"""A registry with a bundle of a known answer: who likes items of one taste likes its others, and their words agree."""

from __future__ import annotations

import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
from scipy.sparse import csr_matrix

from cluster.registry import Registry
from models.features import FeatureSpec
from models.index.vector_index import VectorIndex
from models.item_table import SCHEMA, ItemTable
from models.manifest import Manifest
from models.popularity import FILE as POPULAR_FILE
from models.popularity import popular_lists
from models.retrievers.als import AlsSettings, FoldIn, turned
from models.retrievers.item_knn import ItemKnnRetriever
from models.retrievers.loading import INDEX_FILE, describe_retriever
from models.vocabulary import USERS_FILE

TASTES = ("jazz", "opera", "techno", "folk", "blues")
NUM_EACH = 12
Family = Literal["als", "item_knn"]
_NUM_ITEMS = len(TASTES) * NUM_EACH


def item(taste: str, number: int) -> str:
    """Of a taste the item so numbered, from 0."""
    return f"{taste}-{number}"


def publish_tasteful(root: Path, family: Family) -> str:
    """Publish and promote `v1`; the registry's address. `als`: items are vectors; `item_knn`: they are not."""
    registry, spec = Registry(str(root / "registry")), FeatureSpec()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "bundle"
        folder.mkdir()
        describe_retriever(folder, family, spec)
        _write_items(folder)
        if family == "als":
            _write_als(folder)
        else:
            _write_neighbours(folder)
        made = datetime.now(UTC).isoformat()
        registry.publish(
            folder,
            Manifest(
                version="v1",
                created_at=made,
                recipe=family,
                config={},
                data={},
                feature_digest=spec.digest(),
                metrics={},
            ),
        )
    registry.promote("v1")
    return registry.uri


def _write_items(folder: Path) -> None:
    named = [(taste, number) for taste in TASTES for number in range(NUM_EACH)]
    columns = {
        "item_id": [item(*name) for name in named],
        "title": [f"The {taste} record number {number}" for taste, number in named],
        "categories": [[taste] for taste, _ in named],
        "num_interactions": [_NUM_ITEMS] * _NUM_ITEMS,
    }
    ItemTable(pa.table(columns, schema=pa.schema([field for field in SCHEMA if field.name in columns]))).save(folder)
    pq.write_table(pa.table({"user_id": ["somebody"]}), folder / USERS_FILE)
    counts = pl.DataFrame({"item_row": np.arange(_NUM_ITEMS), "score": np.ones(_NUM_ITEMS)})
    popular = popular_lists(counts.with_columns(pl.lit(None, pl.String).alias("country")), _NUM_ITEMS)
    pq.write_table(popular, folder / POPULAR_FILE)


def _write_als(folder: Path) -> None:
    noise = np.random.default_rng(1).normal(scale=0.1, size=(_NUM_ITEMS, len(TASTES)))
    factors, spectrum = turned((np.repeat(np.eye(len(TASTES)), NUM_EACH, axis=0) + noise).astype(np.float32))
    index = VectorIndex.build(factors)
    index.save(folder / INDEX_FILE)
    FoldIn(index, spectrum, AlsSettings(alpha=3.0, regularization=0.02)).save(folder)


def _write_neighbours(folder: Path) -> None:
    same = np.kron(np.eye(len(TASTES)), np.ones((NUM_EACH, NUM_EACH))) - np.eye(_NUM_ITEMS)
    ItemKnnRetriever(csr_matrix(same.astype(np.float32)), 0.0).save(folder)
