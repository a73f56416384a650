"""The als recipe on MovieLens-1M by the protocol of NCF, and beside implicit called by hand. Prints figures.

He et al., "Neural Collaborative Filtering" (2017): each user's last item against 99 given negatives, HR@10 and
NDCG@10. 156 lines list the positive among their negatives; it is ignored there. Ties count against the model.
"""

from __future__ import annotations

import ast
import gzip
import time
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from implicit.cpu.als import AlternatingLeastSquares
from scipy.sparse import csr_matrix
from threadpoolctl import threadpool_limits

from cluster.delta.lake import Lake
from models.item_table import SCHEMA, ItemTable
from models.recommender import Recommender
from pipelines.evaluation.cases import evaluation_cases
from pipelines.learning.data.sequences import sequences
from pipelines.learning.data.split import TEST, SplitConfig, resolve
from pipelines.learning.fitting.als import scaled
from pipelines.learning.fitting.fitting import fit
from pipelines.learning.fitting.item_texts import ItemTexts
from pipelines.learning.fitting.material import Material
from pipelines.learning.trainer import train
from pipelines.recipes import load_recipe
from tests.benchmarks.movielens import read_events, write_lake

pytestmark = pytest.mark.slow

MIN_HIT_RATE, MIN_NDCG = 0.731, 0.453
HALF_LIVES = (0, 10)
"""What validation chooses from."""
MAX_RATIO = 1.1
ITERATIONS = 12
"""As the recipe has."""


def negatives(folder: Path) -> dict[str, tuple[str, list[str]]]:
    """User id to the tested item and the negatives, the item itself left out."""
    movies = pl.read_csv(folder / "ncf" / "item_ids.tsv", separator="\t")["movie_id"].cast(pl.String).to_list()
    found = {}
    for line in gzip.decompress((folder / "ncf" / "ml-1m.test.negative.gz").read_bytes()).decode().splitlines():
        pair, *others = line.split("\t")
        user, item = ast.literal_eval(pair)
        found[str(user + 1)] = (movies[item], [movies[int(other)] for other in others if int(other) != item])
    return found


def write_split(folder: Path, tested: dict[str, tuple[str, list[str]]], target: Path) -> None:
    """The tested pairs, and the newest of each user's other events to validate on."""
    pairs = pl.DataFrame({"user_id": list(tested), "item_id": [item for item, _ in tested.values()]})
    others = read_events(folder).join(pairs, on=["user_id", "item_id"], how="anti").sort("user_id", "position")
    newest = others.group_by("user_id", maintain_order=True).agg(pl.col("item_id").last())
    parts = [part.with_columns(pl.lit(name).alias("part")) for part, name in ((pairs, "test"), (newest, "validation"))]
    pl.concat(parts).write_parquet(target)


@pytest.mark.timeout(1800)
def test_als_by_the_protocol_of_ncf(ray_session: None, shared_data: Path, tmp_path: Path) -> None:
    folder, lake = shared_data / "ml-1m", Lake(str(tmp_path / "lake"))
    write_lake(folder, lake)
    tested = negatives(folder)
    split = SplitConfig("given", given=str(tmp_path / "split.parquet"), validation=False)
    write_split(folder, tested, Path(split.given))
    given = ["split.protocol=given", f"split.given={split.given}"]
    tried = []
    for half_life in HALF_LIVES:
        settings = [f"model.recency_half_life={half_life}", "training.refit=false"]
        chosen = train(load_recipe("als", [*given, *settings]), lake, str(tmp_path / "runs"))
        tried += [(epoch["ndcg@10"], half_life, epoch["epoch"]) for epoch in chosen.epochs]
    _, half_life, epochs = max(tried)
    settings = [f"model.recency_half_life={half_life}", f"training.epochs={epochs}"]
    last_fit = [*given, *settings, "split.validation=false"]
    started = time.monotonic()
    run = train(load_recipe("als", last_fit), lake, str(tmp_path / "runs"))
    seconds = time.monotonic() - started

    recommender = Recommender.load(Path(run.uri) / "export", run.run_id)
    cases = evaluation_cases(sequences(lake, 0), resolve(split, {}), TEST, limit=10_000)
    assert {case.user.user_id: set(case.relevant) for case in cases} == {u: {item} for u, (item, _) in tested.items()}
    ranks = []
    for start in range(0, len(cases), 256):
        users = [case.user for case in cases[start : start + 256]]
        lists = [[tested[user.user_id][0], *tested[user.user_id][1]] for user in users]
        ranks += [int((~(scores[1:] < scores[0])).sum()) for scores in recommender.score_pairs(users, lists)]
    hits = np.asarray(ranks) < 10
    hit_rate, ndcg = float(hits.mean()), float(np.where(hits, 1 / np.log2(np.asarray(ranks) + 2.0), 0).mean())
    print(f"\nals: HR@10 {hit_rate:.4f}  NDCG@10 {ndcg:.4f}, {' '.join(settings)}, {seconds:.0f} s lake to export")
    assert hit_rate >= MIN_HIT_RATE
    assert ndcg >= MIN_NDCG


@pytest.mark.timeout(900)
def test_als_is_as_fast_as_implicit_by_hand(shared_data: Path, tmp_path: Path) -> None:
    events = read_events(shared_data / "ml-1m").with_columns(
        pl.col("user_id", "item_id").cast(pl.Categorical).to_physical().cast(pl.Int32)
    )
    pairs = (np.ones(len(events), np.float32), (events["user_id"].to_numpy(), events["item_id"].to_numpy()))
    interactions = csr_matrix(pairs)
    recipe = load_recipe("als", [f"training.epochs={ITERATIONS}"])
    config = scaled(recipe.model, interactions)
    items = pa.table({name: [] for name in SCHEMA.names}, schema=SCHEMA)
    material = Material(interactions, ItemTable(items), lambda: ItemTexts([], []), num_threads=2)
    ours, by_hand = [], []
    for _ in range(3):
        started = time.monotonic()
        fit(recipe, material, tmp_path)
        ours.append(time.monotonic() - started)
        with threadpool_limits(1, "blas"):
            started = time.monotonic()
            model = AlternatingLeastSquares(config.factors, iterations=ITERATIONS, num_threads=2, alpha=config.alpha)
            model.fit(interactions, show_progress=False)
            by_hand.append(time.monotonic() - started)
    ratio = min(ours) / min(by_hand)
    print(
        f"\n{config.factors} factors, {ITERATIONS} iterations: {min(ours):.1f} s, implicit by hand {min(by_hand):.1f} s"
    )
    print(f"ratio {ratio:.2f}")
    assert ratio <= MAX_RATIO
