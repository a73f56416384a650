"""Metrics of known lists, and the two judges on a real bundle."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from models.recommender import Recommender
from pipelines.evaluation.cases import EvaluationCase
from pipelines.evaluation.evaluator import evaluate, evaluate_bundle, evaluate_popularity
from pipelines.evaluation.report import table
from tests.models.tiny_bundle import ITEMS, user, write_bundle


def case(user_id: str, seen: list[str], relevant: set[str]) -> EvaluationCase:
    return EvaluationCase(user(user_id, *seen), frozenset(relevant))


def test_means_over_users_by_hand() -> None:
    cases = [case("ann", [], {"a"}), case("bob", [], {"x", "b"}), case("cy", [], {"z"})]
    lists = {"ann": ["q", "a"], "bob": ["x", "q"], "cy": ["q", "r"]}
    # Ann finds her item at rank 2, Bob one of two at rank 1, Cy nothing.
    metrics = evaluate("m", lambda batch, k: [lists[c.user.user_id] for c in batch], cases, [1, 2], num_items=8)
    assert metrics["hit_rate@1"] == pytest.approx(1 / 3)
    assert metrics["hit_rate@2"] == pytest.approx(2 / 3)
    assert metrics["recall@2"] == pytest.approx((1 + 1 / 2 + 0) / 3)
    assert metrics["mrr@2"] == pytest.approx((1 / 2 + 1 + 0) / 3)
    second = 1 / math.log2(3)
    assert metrics["ndcg@2"] == pytest.approx((second + 1 / (1 + second) + 0) / 3)
    assert metrics["coverage@2"] == pytest.approx(4 / 8)  # q, a, x, r


def test_no_cases_score_nothing() -> None:
    assert evaluate("m", lambda batch, k: [], [], [10], num_items=5)["ndcg@10"] == 0.0


def test_popularity_is_the_order_of_training_counts_without_the_seen(tmp_path: Path) -> None:
    # Counts fall from item 0 to item 5: for Ann, who saw 0 and 1, item 2 leads; item 5 is last for Bob.
    recommender = Recommender.load(write_bundle(tmp_path), "v1")
    first, last = case("ann", ["item-0", "item-1"], {"item-2"}), case("bob", [], {"item-5"})
    assert evaluate_popularity(recommender, [first])["mrr@10"] == 1.0
    assert evaluate_popularity(recommender, [last])["mrr@10"] == pytest.approx(1 / 6)


def test_a_bundle_finds_what_is_left_when_all_else_was_seen(tmp_path: Path) -> None:
    recommender = Recommender.load(write_bundle(tmp_path, ranker_weight=0.5), "v1")
    metrics = evaluate_bundle(recommender, [case("ann", ITEMS[:5], {ITEMS[5]}), case("bob", ITEMS[1:], {ITEMS[0]})])
    assert metrics["ndcg@10"] == metrics["hit_rate@10"] == 1.0


def test_the_table_puts_the_models_side_by_side() -> None:
    metrics = {"popularity": {"ndcg@10": 0.1}, "model": {"ndcg@10": 0.25}}
    assert table(metrics).splitlines()[0].split() == ["metric", "model", "popularity"]
    assert table(metrics).splitlines()[1].split() == ["ndcg@10", "0.2500", "0.1000"]
