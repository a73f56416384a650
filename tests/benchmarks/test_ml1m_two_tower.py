"""The two-tower recipe on MovieLens-1M in SASRec's split, beside popularity in the same run. Prints figures.

The protocol is Kang & McAuley's (2018) data with full ranking: 6,040 users, their last item tests, the one before
validates, all 3,416 items are ranked with the seen ones masked. The file has an order but no times, so event n of
a user gets minute n of the log.
"""

from __future__ import annotations

import gzip
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from cluster.delta.lake import Lake
from models.events import INTERACTIONS, EventType
from models.recommender import Recommender
from models.tables import Table
from pipelines.evaluation.cases import evaluation_cases
from pipelines.evaluation.evaluator import evaluate_bundle, evaluate_popularity
from pipelines.learning.data.sequences import sequences
from pipelines.learning.data.split import TEST, Split
from pipelines.learning.trainer import train
from pipelines.recipes import load_recipe

pytestmark = pytest.mark.slow

START = datetime(2026, 1, 1, tzinfo=UTC)
MAX_TRAINING_S = 300
MIN_RATIO = 3.0


def write_log(source: Path, lake: Lake) -> None:
    """Append the file's lines ("user item", oldest first for each user) to the lake."""
    pairs = pl.read_csv(
        gzip.decompress(source.read_bytes()), separator=" ", has_header=False, new_columns=["user_id", "item_id"]
    ).cast(pl.String)
    step = pl.int_range(pl.len()).over("user_id")
    log = pairs.with_columns(
        pl.format("{}-{}", "user_id", step).alias("interaction_id"),
        pl.lit(EventType.CLICK.value).alias("event_type"),
        (pl.lit(START) + step * timedelta(minutes=1)).dt.cast_time_unit("us").alias("timestamp"),
    ).with_columns(pl.col("timestamp").dt.date().alias("date"))
    absent = [pl.lit(None).alias(name) for name in INTERACTIONS.names if name not in log.columns]
    lake.append(Table.INTERACTIONS, log.with_columns(absent).select(INTERACTIONS.names).to_arrow().cast(INTERACTIONS))


@pytest.mark.timeout(900)
def test_two_tower_against_popularity(ray_session: None, shared_data: Path, tmp_path: Path) -> None:
    lake = Lake(str(tmp_path / "lake"))
    write_log(shared_data / "ml-1m" / "sasrec" / "ml-1m.txt.gz", lake)
    recipe = load_recipe("two_tower", ["training.epochs=3", "training.refit=false"])
    started = time.monotonic()
    run = train(recipe, lake, str(tmp_path / "runs"))
    seconds = time.monotonic() - started

    recommender = Recommender.load(Path(run.uri) / "export", run.run_id)
    cases = evaluation_cases(sequences(lake, recipe.seed), Split("leave_last_out"), TEST, limit=10_000)
    metrics = {"model": evaluate_bundle(recommender, cases), "popularity": evaluate_popularity(recommender, cases)}
    speed = max(epoch["samples_per_s"] for epoch in run.epochs)
    print(f"\n{len(run.epochs)} epochs in {seconds:.0f} s, {speed:,.0f} samples/s, {len(cases):,} users")
    for name in ("hit_rate@10", "ndcg@10"):
        print(name, *(f"{model} {found[name]:.4f}" for model, found in metrics.items()))

    assert (len(cases), len(recommender.items)) == (6_040, 3_416)
    for name in ("hit_rate@10", "ndcg@10"):
        assert metrics["model"][name] >= MIN_RATIO * metrics["popularity"][name]
    assert seconds < MAX_TRAINING_S
