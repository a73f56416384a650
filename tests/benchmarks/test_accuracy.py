"""Recipes at their defaults on the published protocols, beside the bar that each has to reach. Prints a table.

python -m pytest tests/benchmarks/test_accuracy.py -s -k sasrec
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from models.recommender import Recommender
from pipelines.learning.trainer import train
from pipelines.recipes import load_recipe
from tests.benchmarks import protocols

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3_600)]


@dataclass(frozen=True)
class Row:
    """One line of the table: `bars` by metric; `settings`: beside the defaults."""

    protocol: str
    recipe: str
    bars: Mapping[str, float]
    settings: tuple[str, ...] = ()


AMONG_99 = ("training.validation_candidates=99",)
"""Validation as the protocol of NCF tests."""

ROWS = [
    Row("sasrec", "sequence", {"hit_rate@10": 0.300, "ndcg@10": 0.173}),
    Row("ncf", "als", {"hit_rate@10": 0.731, "ndcg@10": 0.453}, AMONG_99),
    Row("ncf", "hybrid", {"hit_rate@10": 0.80, "ndcg@10": 0.56}, AMONG_99),
    Row("lcfn", "two_tower", {"recall@20": 0.276, "ndcg@20": 0.266}),
    Row("lcfn", "hybrid", {"recall@20": 0.276, "ndcg@20": 0.266}),
]


@pytest.mark.parametrize("row", ROWS, ids=[f"{row.protocol}-{row.recipe}" for row in ROWS])
def test_a_recipe_reaches_its_bar(row: Row, ray_session: None, shared_data: Path, tmp_path: Path) -> None:
    protocol = getattr(protocols, row.protocol)(shared_data, tmp_path)
    started = time.monotonic()
    run = train(load_recipe(row.recipe, [*protocol.split, *row.settings]), protocol.lake, str(tmp_path / "runs"))
    seconds = time.monotonic() - started
    metrics = protocol.judge(Recommender.load(Path(run.uri) / "export", run.run_id))
    figures = "  ".join(f"{name} {metrics[name]:.4f} (bar {bar})" for name, bar in row.bars.items())
    print(f"\n{row.protocol}  {row.recipe}  {figures}  {len(run.epochs)} epochs, {seconds:.0f} s")
    assert all(metrics[name] >= bar for name, bar in row.bars.items())
