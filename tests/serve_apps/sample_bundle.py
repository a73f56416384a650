"""A registry with whole bundles of any size: real files, untrained weights; another seed gives another model."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from torch import nn

from cluster.registry import Registry
from models.features import FeatureSpec
from models.index.vector_index import VectorIndex
from models.item_table import SCHEMA, ItemTable
from models.manifest import Manifest
from models.model_config import RankerConfig, TableSizes, TwoTowerConfig
from models.nets.files import save_net
from models.nets.ranker import Ranker, ranker_tables
from models.nets.ranker_net import RANKER
from models.nets.two_tower import TwoTower
from models.nets.two_tower_inputs import tower_tables
from models.popularity import FILE as POPULAR_FILE
from models.popularity import popular_lists
from models.retrievers.loading import INDEX_FILE, describe_retriever
from models.retrievers.two_tower import TWO_TOWER, TwoTowerEncoder
from models.vocabulary import USERS_FILE

SPEC = FeatureSpec()
RATINGS = ("", ', "age_rating": 0', ', "age_rating": 6', ', "age_rating": "12+"', ', "age_rating": "16"')
"""Of the items, one in five each; the first have none."""
NORWAY_ITEMS = 3
"""Norway's own popular list is `i5, i6, i7`; everywhere it is `i0, i1, …`."""


def publish(
    registry: Registry,
    version: str,
    num_items: int = 60,
    num_users: int = 20,
    seed: int = 1,
    profiles: bool = False,
    id_digits: int = 1,
    released: Mapping[int, date] | None = None,
) -> str:
    """Publish a bundle of items `i0 …` and known users `u0 …`; `profiles`: one whose training has seen some.

    `id_digits`: at least so many in an id; with 4 they are those of the demo. `released`: when, by number of the item.
    """
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "bundle"
        folder.mkdir()
        item_ids, user_ids = (
            [f"{kind}{n:0{id_digits}}" for n in range(num)] for kind, num in (("i", num_items), ("u", num_users))
        )
        record = _write(folder, item_ids, user_ids, seed, profiles, released or {})
        manifest = Manifest(
            version=version,
            created_at=datetime.now(UTC).isoformat(),
            recipe="two_tower+ranker",
            config={},
            data={},
            feature_digest=SPEC.digest(),
            metrics={},
            indexes={INDEX_FILE: record},
        )
        return registry.publish(folder, manifest)


def _write(
    folder: Path, item_ids: list[str], user_ids: list[str], seed: int, profiles: bool, released: Mapping[int, date]
) -> dict[str, Any]:
    num_items, num_users = len(item_ids), len(user_ids)
    torch.manual_seed(seed)
    describe_retriever(folder, "two_tower", SPEC)
    columns = {
        "item_id": item_ids,
        "title": [f"Title {n}" for n in range(num_items)],
        "categories": [[f"c{n % 7}", f"c{n % 11}"] for n in range(num_items)],
        "tags": [[]] * num_items,
        "released": [released.get(n) for n in range(num_items)],
        "num_interactions": list(range(num_items, 0, -1)),
        "attributes": [f'{{"year": {1990 + n % 30}{RATINGS[n % 5]}}}' for n in range(num_items)],
    }
    items = ItemTable(pa.table(columns, schema=SCHEMA))
    items.save(folder)
    pq.write_table(pa.table({"user_id": user_ids}), folder / USERS_FILE)
    everywhere = pl.DataFrame({"item_row": np.arange(num_items), "score": 100.0 * np.arange(num_items, 0, -1)})
    norway = pl.DataFrame({"item_row": np.arange(5, 5 + NORWAY_ITEMS), "score": [3.0, 2.0, 1.0]})
    counts = [
        everywhere.with_columns(pl.lit(None, pl.String).alias("country")),
        norway.with_columns(pl.lit("NO").alias("country")),
    ]
    pq.write_table(popular_lists(pl.concat(counts), num_items), folder / POPULAR_FILE)
    sizes = TableSizes.of(SPEC, num_users, num_items)
    two_tower, ranker = TwoTowerConfig(), RankerConfig()
    net = TwoTower(tower_tables(sizes, two_tower.embedding_dim), two_tower)
    if profiles:
        nn.init.ones_(net.user_tower.gates)
    save_net(folder, TWO_TOWER, two_tower, sizes, net.state_dict())
    index = VectorIndex.build(TwoTowerEncoder.load(folder, SPEC).encode_items(items.features(SPEC)))
    index.save(folder / INDEX_FILE)
    weights = Ranker(ranker_tables(sizes, ranker, "cpu"), ranker).state_dict()
    save_net(folder, RANKER, ranker, sizes, weights, weight=0.5)
    assert index.record is not None
    return index.record.to_json()
