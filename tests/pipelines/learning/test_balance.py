"""A plan shares out what is looked up, not the number of tables."""

from __future__ import annotations

from torchrec.distributed.embeddingbag import EmbeddingBagCollectionSharder
from torchrec.distributed.planner import Topology
from torchrec.distributed.types import ShardingType

from models.model_config import TableSizes, TwoTowerConfig
from models.nets.two_tower import TwoTower
from models.nets.two_tower_inputs import tower_tables
from pipelines.learning.engine.sharding import planner_of

SIZES = TableSizes(users=100, items=100, countries=10, categories=20, profiles=10, words=50)


def look_ups(feature: str, rows: int) -> float:
    return 100.0 if feature == "history" else 1.0


def test_the_table_of_long_histories_has_a_worker_to_itself() -> None:
    net = TwoTower(tower_tables(SIZES, 8, "meta"), TwoTowerConfig(embedding_dim=8, hidden_dim=8))
    whole = [ShardingType.TABLE_WISE.value]
    planner = planner_of(Topology(world_size=2, compute_device="cpu"), net.tables, whole, 1024, look_ups)
    (plan,) = planner.plan(net, [EmbeddingBagCollectionSharder()]).plan.values()  # type: ignore[list-item]
    ranks = {table: spec.ranks[0] for table, spec in plan.items()}
    beside = [table for table, rank in ranks.items() if rank == ranks["item_table"]]
    assert beside == ["item_table"]
    assert len(ranks) == 7
