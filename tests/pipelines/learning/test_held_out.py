"""What a held-out item is ranked against: the whole catalogue, or items drawn from those that the user has not seen."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster.delta.lake import Lake
from models.index.vector_index import VectorIndex
from models.metrics import RankMetric, hit_rate, hits_at, ndcg, reciprocal_rank
from models.retrievers.vectors import VectorRetriever
from pipelines.learning.data.corpus import load_corpus
from pipelines.learning.data.examples import Examples
from pipelines.learning.data.held_out import HeldOut, unseen
from pipelines.learning.fitting.validation import validation_score
from pipelines.learning.objectives.full_ranking import values_of_scores
from pipelines.learning.preparing import prepare
from pipelines.learning.trainer import train
from pipelines.recipes import load_recipe
from tests.models.retrievers.test_hybrid import Fixed, users
from tests.pipelines.learning.checkerboard import SIZE, write_checkerboard


@given(st.integers(1, 40), st.data(), st.integers(0, 50), st.integers(0, 2**32))
def test_drawn_items_are_distinct_and_were_not_seen(num_items: int, data: st.DataObject, num: int, seed: int) -> None:
    barred = data.draw(st.lists(st.integers(0, num_items - 1)))
    drawn = unseen(np.asarray(barred, np.int64), num_items, num, np.random.default_rng(seed)).tolist()
    left = set(range(num_items)) - set(barred)
    assert len(drawn) == len(set(drawn)) == min(num, len(left))
    assert set(drawn) <= left


def test_each_unseen_item_is_drawn_as_often() -> None:
    rng = np.random.default_rng(1)
    drawn = np.concatenate([unseen(np.asarray([2, 3, 7]), 10, 3, rng) for _ in range(7_000)])
    counts = np.bincount(drawn, minlength=10)
    assert counts[[2, 3, 7]].tolist() == [0, 0, 0]
    assert np.allclose(counts[[0, 1, 4, 5, 6, 8, 9]], 3_000, atol=200)


@given(st.integers(0, 2**32))
def test_an_item_among_some_stands_as_in_the_catalogue_without_the_others(seed: int) -> None:
    rng = np.random.default_rng(seed)
    num_users, num_items = 5, 30
    items = rng.integers(0, num_items, num_users)
    among = [unseen(np.asarray([item]), num_items, int(rng.integers(1, 20)), rng) for item in items]
    others = [np.setdiff1d(np.arange(num_items), [*rows, item]) for rows, item in zip(among, items, strict=True)]
    examples, nobody = Examples(users(*[[]] * num_users), items), [np.zeros(0, np.int32)] * num_users
    weights = rng.random(num_users) + 0.1
    drawn, whole = HeldOut(examples, nobody, weights, among), HeldOut(examples, others, weights)
    scores = rng.integers(0, 12, (num_users, num_items)).astype(np.float32)  # with ties
    assert values_of_scores(scores.copy(), drawn).tolist() == values_of_scores(scores.copy(), whole).tolist()
    part = slice(1, 4)
    assert values_of_scores(scores[part].copy(), drawn.take(part)).tolist() == (
        values_of_scores(scores[part].copy(), whole.take(part)).tolist()
    )
    distinct = rng.permutation(num_items).astype(np.float32)[:, None]  # a search may order ties as it likes
    retriever = VectorRetriever(Fixed(1.0), VectorIndex.exact(distinct))
    for metric in get_args(RankMetric):
        among, in_all = (validation_score(retriever, replace(kept, metric=metric)) for kept in (drawn, whole))
        assert among == pytest.approx(in_all)
        assert set(among) == {metric}


def test_each_metric_is_that_of_lists_with_one_relevant_item() -> None:
    ranks = np.asarray([0, 1, 4, 9, 10, 500])
    held_out = HeldOut(Examples(users(*[[]] * 6), ranks), [])
    hits, one = hits_at(ranks, 501), np.ones(6, np.int64)
    assert held_out.values(ranks).tolist() == pytest.approx(ndcg(hits, one, 10).tolist())
    assert replace(held_out, metric="hit_rate@10").values(ranks).tolist() == hit_rate(hits, 10).tolist()
    assert replace(held_out, metric="mrr@10").values(ranks).tolist() == pytest.approx(
        reciprocal_rank(hits, 10).tolist()
    )


@pytest.mark.slow
def test_a_run_draws_as_many_as_its_recipe_says(ray_session: None, tmp_path: Path) -> None:
    lake = Lake(str(tmp_path / "lake"))
    write_checkerboard(lake)
    drawn = []
    for num in (3, 3, 0):
        recipe = load_recipe("als", [f"training.validation_candidates={num}"])
        held_out = prepare(recipe, load_corpus(recipe, lake), lake).held_out
        assert held_out is not None
        drawn.append(held_out.among)
    assert drawn[2] is None
    for rows, again, seen, item in zip(*drawn[:2], held_out.seen, held_out.examples.items, strict=True):
        assert rows.tolist() == again.tolist()  # the same seed
        assert len(rows) == 3
        assert not {*rows.tolist()} & {*seen.tolist(), item}
        assert rows.max() < SIZE


@pytest.mark.slow
@pytest.mark.parametrize("name", ["als", "two_tower", "hybrid"])
def test_a_run_validates_by_the_metric_that_its_recipe_names(ray_session: None, tmp_path: Path, name: str) -> None:
    lake = Lake(str(tmp_path / "lake"))
    write_checkerboard(lake)
    settings = ["training.validation_metric=mrr@10", "training.epochs=2", "training.refit=false"]
    if name == "hybrid":
        settings.append('model.sources=["als", "item_knn"]')
    run = train(load_recipe(name, settings), lake, str(tmp_path / "runs"))
    runs = [run.uri, *Path(run.uri).glob("sources/*")]
    assert len(runs) == (3 if name == "hybrid" else 1)
    for uri in runs:
        records = json.loads((Path(uri) / "metrics.json").read_bytes())
        assert records
        assert all("mrr@10" in record and "ndcg@10" not in record for record in records)
