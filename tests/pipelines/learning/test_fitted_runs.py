"""Fitted recipes from lake to bundle, as `shoal train` runs them."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from ray.train import UserCallback

from cluster.delta.lake import Lake
from models.catalogue import ITEMS
from models.errors import ConfigError, NotFoundError
from models.events import EventType
from models.recommender import Recommender
from models.tables import Table
from models.user_state import HistoryEvent, UserState
from pipelines import evaluate, list_models, publish
from pipelines.evaluation.cases import evaluation_cases
from pipelines.evaluation.evaluator import evaluate_bundle
from pipelines.learning.data.sequences import sequences
from pipelines.learning.data.split import TEST, Split
from pipelines.learning.runs.run_folder import read_json
from pipelines.learning.trainer import train
from pipelines.recipes import load_recipe
from tests.pipelines.learning.checkerboard import write_checkerboard

pytestmark = pytest.mark.slow


class Told(UserCallback):
    """Keeps what it is told in a file, since it is told in another process."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def after_report(self, run_context: Any, metrics: list[dict[str, Any]], checkpoint: Any) -> None:
        with self._path.open("a") as file:
            file.write(f"{metrics[0]['epoch']}\n")


def test_als_from_lake_to_bundle(ray_session: None, tmp_path: Path) -> None:
    lake = Lake(str(tmp_path / "lake"))
    write_checkerboard(lake)
    told = tmp_path / "told.txt"
    recipe = load_recipe("als", ["training.epochs=4", "training.patience=0", "training.refit=false"])
    run = train(recipe, lake, str(tmp_path / "runs"), callbacks=[Told(told)])
    assert [epoch["epoch"] for epoch in run.epochs] == [1, 2, 3, 4]
    assert told.read_text().split() == ["1", "2", "3", "4"]
    # Two items of a user's half are held out, so the one that validates is the first or the second: 1 or 1 / log2(3).
    assert run.epochs[-1]["ndcg@10"] > 0.63
    assert read_json(run.uri, "metrics.json") == run.epochs
    recommender = Recommender.load(Path(run.uri) / "export", "als", recipe.features.digest())
    cases = evaluation_cases(sequences(lake, 0), Split("leave_last_out"), TEST, limit=100)
    assert evaluate_bundle(recommender, cases)["mrr@10"] == 1.0


def test_content_from_items_alone_to_the_champion(
    ray_session: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lake = Lake(str(tmp_path / "lake"))
    with pytest.raises(NotFoundError, match="holds no interactions"):
        train(load_recipe("content"), lake, str(tmp_path / "runs"))
    descriptions = {"a": "red apple pie", "b": "apple cake", "c": "steel bridge", "d": None}
    now = datetime(2026, 1, 1, tzinfo=UTC)
    rows = [{"item_id": name, "description": text, "updated_at": now} for name, text in descriptions.items()]
    columns = {name: [row.get(name) for row in rows] for name in ITEMS.names}
    lake.append(Table.ITEMS, pa.table(columns, schema=ITEMS))
    with pytest.raises(NotFoundError, match="holds no interactions"):
        train(load_recipe("als"), lake, str(tmp_path / "runs"))
    run = train(load_recipe("content"), lake, str(tmp_path / "runs"))
    recommender = Recommender.load(Path(run.uri) / "export", "content")
    ann = UserState("ann", now, (HistoryEvent("a", EventType.CLICK, 1),))
    [found] = recommender.retrieve([ann], 4, [{"a"}])
    assert [recommender.items.ids[row] for row in found.item_rows] == ["b", "c", "d"]
    assert len(recommender.popular(None, 4)) == 4

    places = [f"--{name}={tmp_path / name}" for name in ("lake", "runs", "registry")]
    assert evaluate.main(["--run", run.run_id, *places]) == 2
    assert "nothing is held out to evaluate on" in capsys.readouterr().err
    for said in ("and there is no champion to beat", "not promoted: no event is held out"):
        assert publish.main(["--run", run.run_id, *places]) == 0
        assert said in capsys.readouterr().out
    assert list_models.main(places[2:]) == 0
    assert [line[0] for line in capsys.readouterr().out.splitlines()] == [" ", "*", " "]
    with pytest.raises(ConfigError, match="cannot be loaded"):
        train(load_recipe("content", ["model.encoder=nowhere:Model"]), lake, str(tmp_path / "runs"))
