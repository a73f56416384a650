"""A hybrid from lake to bundle on Ray: its sources, its weights, and nothing trained a second time."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest

from cluster.delta.lake import Lake
from cluster.registry import Registry
from models.recommender import Recommender
from pipelines import rank, recommend
from pipelines.evaluation.cases import evaluation_cases
from pipelines.learning.data.sequences import sequences
from pipelines.learning.data.split import TEST, Split
from pipelines.learning.runs.run_folder import read_json
from pipelines.learning.trainer import TrainedRun, train
from pipelines.publication.publish import publish
from pipelines.recipes import load_recipe
from tests.pipelines.learning.checkerboard import SIZE, item, user, write_checkerboard

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    lake = Lake(str(tmp_path_factory.mktemp("world") / "lake"))
    write_checkerboard(lake)
    return lake


def run(lake: Lake) -> TrainedRun:
    """Of a named recipe and two recipe files."""
    folder = Path(lake.uri).parent
    near = folder / "near.json"
    near.write_text('{"name": "near", "model": {"kind": "item_knn"}, "features": {"history_length": 100}}')
    far = folder / "far.json"
    far.write_text('{"name": "far", "model": {"kind": "als", "factors": 1}, "features": {"history_length": 1}}')
    recipe = load_recipe("hybrid", [f"model.sources={json.dumps(['als', str(near), str(far)])}"])
    return train(recipe, lake, str(folder / "runs"), run_id="hybrid")


def test_a_hybrid_is_published_and_answers_by_its_sources(ray_session: None, lake: Lake, tmp_path: Path) -> None:
    done = run(lake)
    # Item n competes with the one that validates: first and second by a coin, 0.5 × 1 + 0.5 × 0.63 on average.
    (chosen,) = read_json(f"{done.uri}/selection", "metrics.json")
    assert chosen["ndcg@10"] > 0.75
    near = {run: read_json(f"{run}/sources/near", "config.json") for run in (done.uri, f"{done.uri}/selection")}
    assert [config["split"]["validation"] for config in near.values()] == [False, True]
    fusions = [read_json(f"{run}/export", "fusion.json") for run in near]
    assert fusions[0] == fusions[1]
    # One number an item and one event a user say nothing beside the others: neither exported nor trained again.
    assert "far" not in fusions[0]["sources"]
    held = [sorted(path.name for path in Path(run, "export", "sources").iterdir()) for run in near]
    assert held == [sorted(fusions[0]["sources"])] * 2
    assert Path(done.uri, "selection", "sources", "far").exists()
    assert not Path(done.uri, "sources", "far").exists()

    registry = Registry(str(tmp_path / "registry"))
    version = publish(done.uri, None, lake, registry).version
    assert registry.champion() == version
    recommender = Recommender.load(registry.fetch(version), version)
    cases = evaluation_cases(sequences(lake, 0), Split("leave_last_out"), TEST, limit=1_000)
    users = [case.user for case in cases]
    found = recommender.retrieve(users, 1, [u.seen for u in users])
    answers = {u.user_id: recommender.items.ids[f.item_rows[0]] for u, f in zip(users, found, strict=True)}
    assert answers == {user(n): item(n) for n in range(SIZE)}

    recs, pairs, scores = (tmp_path / f"{name}.parquet" for name in ("recs", "pairs", "scores"))
    places = ["--lake", lake.uri, "--registry", str(tmp_path / "registry")]
    assert recommend.main(["--users", "all", "--k", "3", "--out", str(recs), *places]) == 0
    recommended = pl.read_parquet(recs)
    recommended.select("user_id", "item_id").write_parquet(pairs)
    assert rank.main(["--pairs", str(pairs), "--out", str(scores), *places]) == 0
    ranked = pl.read_parquet(scores)["score"].to_list()
    assert ranked == pytest.approx(recommended["score"].to_list(), abs=1e-5)

    before = {path: path.stat().st_mtime_ns for path in Path(done.uri).rglob("*") if path.is_file()}
    assert run(lake) == done
    assert {path: path.stat().st_mtime_ns for path in Path(done.uri).rglob("*") if path.is_file()} == before
