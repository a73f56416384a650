"""A `two_tower` run on what is new (`--since last`) beside the full run before it, on MovieLens-1M. Prints figures.

The newest fiftieth of the log comes after the full run. Both are then judged on the last event of the users who have a
new one.
"""

from __future__ import annotations

import time
from pathlib import Path

import polars as pl
import pytest

from cluster.delta.lake import Lake
from models.recommender import Recommender
from pipelines.evaluation.cases import evaluation_cases
from pipelines.evaluation.evaluator import evaluate_bundle
from pipelines.learning.data.sequences import sequences
from pipelines.learning.data.split import TEST, Split
from pipelines.learning.trainer import TrainedRun, train
from pipelines.learning.warm.origin import Origin
from pipelines.recipes import load_recipe
from tests.benchmarks.movielens import read_events
from tests.benchmarks.protocols import append

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3_600)]

MAX_SHARE = 0.1


def test_a_refresh_takes_a_tenth_of_a_full_run(ray_session: None, shared_data: Path, tmp_path: Path) -> None:
    log = read_events(shared_data / "ml-1m").sort("timestamp", "user_id", "position")
    old, new = log.head(len(log) * 49 // 50), log.tail(-(len(log) * 49 // 50))
    lake, recipe = Lake(str(tmp_path / "lake")), load_recipe("two_tower")
    runs: dict[str, TrainedRun] = {}
    seconds = {}
    for name, events in (("full", old), ("refreshed", new)):
        append(lake, events.select("user_id", "item_id", "timestamp"), name)
        origin = Origin(runs["full"].uri, refresh=True) if runs else None
        started = time.monotonic()
        runs[name] = train(recipe, lake, str(tmp_path / "runs"), run_id=name, origin=origin)
        seconds[name] = time.monotonic() - started
    scores = {name: ndcg_of(run, lake, new) for name, run in runs.items()}
    for name, run in runs.items():
        print(f"\n{name}: {seconds[name]:.0f} s, {len(run.epochs)} epochs, ndcg@10 {scores[name]:.4f}", end="")
    print(f"\nshare {seconds['refreshed'] / seconds['full']:.3f} for {len(new):,} new events after {len(old):,}")
    assert seconds["refreshed"] <= MAX_SHARE * seconds["full"]
    assert scores["refreshed"] > scores["full"]


def ndcg_of(run: TrainedRun, lake: Lake, new: pl.DataFrame) -> float:
    cases = evaluation_cases(
        sequences(lake, 0, users=new["user_id"].unique().to_list()), Split("leave_last_out"), TEST, limit=10_000
    )
    return evaluate_bundle(Recommender.load(Path(run.uri) / "export", run.run_id), cases)["ndcg@10"]
