"""Tables that do not fit are refused before a worker starts, by the name of the largest."""

from __future__ import annotations

import re

import numpy as np
import pytest

from models.errors import ConfigError
from models.features import FeatureSpec, item_features
from models.model_config import TableSizes
from pipelines.learning.data.known import Known
from pipelines.learning.engine.table_memory import Memory, check_tables
from pipelines.learning.objectives.making import make_objective
from pipelines.recipes import load_recipe

ITEMS, USERS = 20, 1_000
SPEC = FeatureSpec(3, user_buckets=1, country_buckets=4, category_buckets=8, profile_buckets=3, word_buckets=5)
MOMENTS = 31
COUNTS = np.ones(ITEMS, np.int64)
SIZES = TableSizes.of(SPEC, USERS - 1, ITEMS)
KNOWN = Known(SIZES, item_features(SPEC, [[] for _ in COUNTS], COUNTS, -COUNTS), COUNTS, SPEC)


def check(name: str, num_bytes: int, on_gpus: bool = False, *settings: str) -> None:
    recipe = load_recipe(name, ["model.embedding_dim=16", "optimizer.table_optimizer=rowwise_adagrad", *settings])
    check_tables(recipe, make_objective(recipe.model, KNOWN), on_gpus, Memory(num_bytes, "in this test"))


@pytest.mark.parametrize(
    ("name", "rows", "width", "largest"),
    [
        ("two_tower", USERS + ITEMS + 4 + 8 + 3 + 5 + MOMENTS, 16, "user_table: 1,000 rows × 16"),
        ("sequence", ITEMS, 16, "item_table: 20 rows × 16"),
        ("neural_cf", USERS + ITEMS, 32, "user_table: 1,000 rows × 32"),
        ("ranker", USERS + ITEMS + 4 + 8, 16, "user_table: 1,000 rows × 16"),
    ],
)
def test_the_tables_of_every_net_are_counted(name: str, rows: int, width: int, largest: str) -> None:
    on_gpus = rows * width * 4 + rows * 4  # a sum a row
    on_cpu = 2 * rows * width * 4 + rows * 4  # two workers, each of which builds them whole
    for num_bytes, gpus in ((on_gpus, True), (on_cpu, False)):
        check(name, num_bytes, gpus)
        with pytest.raises(ConfigError, match=re.escape(f"take {num_bytes:,} bytes in training")) as refused:
            check(name, num_bytes - 1, gpus)
        assert largest in str(refused.value)
        assert f"there are {num_bytes - 1:,} in this test" in str(refused.value)


def test_adam_keeps_two_moments_and_on_cpu_a_copy_a_worker() -> None:
    adam = "optimizer.table_optimizer=adam"
    one = 3 * ITEMS * 16 * 4
    check("sequence", one, True, adam)
    check("sequence", 2 * one, False, adam)
    with pytest.raises(ConfigError, match=r"smaller model\.embedding_dim, take more or larger machines.*shoal plan"):
        check("sequence", 2 * one - 1, False, adam)
