"""A whole bundle of six items and two users in a few kilobytes: real files, untrained weights."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import torch

from models.events import EventType
from models.features import FeatureSpec
from models.index.vector_index import VectorIndex
from models.item_table import SCHEMA, ItemTable
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
from models.user_state import HistoryEvent, UserState
from models.vocabulary import USERS_FILE

ITEMS = [f"item-{n}" for n in range(6)]
USERS = ["ann", "bob"]
SPEC = FeatureSpec(history_length=4, recent_length=2, user_buckets=2, country_buckets=4, category_buckets=8)
NOW = datetime(2026, 1, 31, tzinfo=UTC)
_SIZES = TableSizes.of(SPEC, len(USERS), len(ITEMS))


def write_bundle(folder: Path, ranker_weight: float | None = None) -> Path:
    """Write every file of a bundle but its manifest; with a ranker when `ranker_weight` is given."""
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(7)
    describe_retriever(folder, "two_tower", SPEC)
    columns = {
        "item_id": ITEMS,
        "title": [name.title() for name in ITEMS],
        "categories": [["drama"], ["war"], ["drama", "war"], [], None, ["noir"]],
        "tags": [[]] * len(ITEMS),
        "released": [None] * len(ITEMS),
        "num_interactions": [5, 4, 3, 2, 1, 0],
        "attributes": [None] * len(ITEMS),
    }
    items = ItemTable(pa.table(columns, schema=SCHEMA))
    items.save(folder)
    pq.write_table(pa.table({"user_id": USERS}), folder / USERS_FILE)
    counts = pl.DataFrame({"country": ["DE", "FR"], "item_row": [4, 0], "score": [1.0, 5.0]})
    pq.write_table(popular_lists(counts, len(ITEMS)), folder / POPULAR_FILE)
    two_tower = TwoTowerConfig(embedding_dim=8, tower="perceptron", hidden_dim=8)
    net = TwoTower(tower_tables(_SIZES, two_tower.embedding_dim), two_tower)
    save_net(folder, TWO_TOWER, two_tower, _SIZES, net.state_dict())
    VectorIndex.build(TwoTowerEncoder.load(folder, SPEC).encode_items(items.features(SPEC))).save(folder / INDEX_FILE)
    if ranker_weight is not None:
        config = RankerConfig(embedding_dim=4, hidden_dim=8, num_negatives=2)
        # Larger than fresh weights are, so that the ranker has opinions.
        weights = {
            name: 5 * tensor
            for name, tensor in Ranker(ranker_tables(_SIZES, config, "cpu"), config).state_dict().items()
        }
        save_net(folder, RANKER, config, _SIZES, weights, weight=ranker_weight)
    return folder


def user(user_id: str, *item_ids: str, disliked: Sequence[str] = (), country: str | None = None) -> UserState:
    """A user who clicked the items in that order, then disliked others."""
    clicks = [HistoryEvent(item_id, EventType.CLICK, n) for n, item_id in enumerate(item_ids)]
    dislikes = [HistoryEvent(item_id, EventType.DISLIKE, 1_000) for item_id in disliked]
    return UserState(user_id, NOW, (*clicks, *dislikes), country)
