"""A ranker from exposures to export on Ray: what is clicked depends on the context alone."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest

from cluster.delta.lake import Lake
from models.errors import InputError
from models.events import INTERACTIONS, EventType
from models.exposures import EXPOSURES
from models.tables import Table
from pipelines.learning.impressions.evaluation import evaluate_impressions
from pipelines.learning.trainer import train
from pipelines.recipes import Recipe, load_recipe

pytestmark = pytest.mark.slow

NUM_LISTS, NUM_ITEMS = 400, 10
START = datetime(2026, 1, 1, tzinfo=UTC)


def write_log(lake: Lake) -> None:
    """Every list holds all items; in the morning the even ones are clicked, at night the odd ones."""
    exposures, clicks = [], []
    for n in range(NUM_LISTS):
        moment = START + timedelta(hours=n)
        user, items = f"user-{n % 40}", [f"item-{(n + k) % NUM_ITEMS}" for k in range(NUM_ITEMS)]
        morning = n % 2 == 0
        shared = {"recommendation_id": f"r{n}", "user_id": user, "timestamp": moment, "date": moment.date()}
        context = "no object" if n == 0 else json.dumps({"daytime": "morning" if morning else "night"})
        row = {"surface": "home", "variant": "log", "item_ids": items, "propensity": 1.0, "context": context}
        exposures.append({**shared, **row})
        for item in items:
            if (int(item[-1]) % 2 == 0) == morning:
                one = {"interaction_id": f"{n}-{item}", "item_id": item, "event_type": EventType.CLICK.value}
                clicks.append({**shared, **one})
    clicks.append({**clicks[0], "interaction_id": "lost", "recommendation_id": "never shown"})
    for table, rows, schema in (
        (Table.EXPOSURES, exposures, EXPOSURES),
        (Table.INTERACTIONS, clicks, INTERACTIONS),
    ):
        lake.append(table, pa.table({name: [row.get(name) for row in rows] for name in schema.names}, schema=schema))


def recipe(**changes: object) -> Recipe:
    settings = {
        "model.examples": "exposures",
        "model.embedding_dim": 8,
        "model.hidden_dim": 16,
        "split.protocol": "time",
        "training.epochs": 4,
        "training.batch_size": 64,
        "training.num_workers": 1,
        "optimizer.table_learning_rate": 0.2,
        "optimizer.dense_learning_rate": 0.01,
        **changes,
    }
    return load_recipe("ranker", [f"{key}={value}" for key, value in settings.items()])


def test_exposures_with_context(ray_session: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lake = Lake(str(tmp_path / "lake"))
    write_log(lake)
    run = train(recipe(), lake, str(tmp_path / "runs"), run_id="ranker")
    said = capsys.readouterr()
    text = " ".join((said.out + said.err).split())
    assert "no labels for view, purchase, rating: not learned" in text
    assert "ignored 1 answers to nothing that was shown" in text
    assert "ignored 1 contexts that are no JSON object" in text

    exported = json.loads((Path(run.uri) / "export" / "ranker.json").read_text())
    assert exported["config"]["head_weights"] == {"view": 0.0, "click": 1.0, "purchase": 0.0, "rating": 0.0}
    assert exported["contexts"] == {"fields": ["daytime"], "values": [["daytime", "morning"], ["daytime", "night"]]}
    found = evaluate_impressions(run.uri, lake)
    assert found["num_impressions"] >= 40 * NUM_ITEMS
    assert found["auc"] > 0.95

    with pytest.raises(InputError, match="holds no exposures"):
        train(recipe(), _without_exposures(lake, tmp_path), str(tmp_path / "runs"), run_id="none")


def _without_exposures(lake: Lake, tmp_path: Path) -> Lake:
    other = Lake(str(tmp_path / "other"))
    other.append(Table.INTERACTIONS, lake.read(Table.INTERACTIONS))
    return other
