"""Metrics of known lists, and the two judges on a real bundle."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from models.recommender import Recommender
from models.vocabulary import Vocabulary
from pipelines.evaluation.cases import EvaluationCase
from pipelines.evaluation.evaluator import evaluate_bundle, evaluate_popularity, measure
from pipelines.evaluation.yardstick import Yardstick
from tests.models.tiny_bundle import ITEMS, user, write_bundle

CATALOGUE = "abqrxzuv"


def case(user_id: str, seen: list[str], relevant: set[str]) -> EvaluationCase:
    return EvaluationCase(user(user_id, *seen), frozenset(relevant))


def yardstick(vectors: np.ndarray | None = None) -> Yardstick:
    return Yardstick(Vocabulary(list(CATALOGUE)), np.zeros(8, np.int64), [["c"]] * 4 + [[]] * 4, vectors)


def test_means_over_users_by_hand() -> None:
    cases = [case("ann", [], {"a"}), case("bob", [], {"x", "b"}), case("cy", [], {"z"})]
    lists = {"ann": ["q", "a"], "bob": ["x", "q"], "cy": ["q", "r"]}
    # Ann finds her item at rank 2, Bob one of two at rank 1, Cy nothing.
    measured = measure("m", lambda batch, k: [lists[c.user.user_id] for c in batch], cases, yardstick(), [1, 2])
    means = measured.means()
    assert means["hit_rate@1"] == pytest.approx(1 / 3)
    assert means["hit_rate@2"] == pytest.approx(2 / 3)
    assert means["recall@2"] == pytest.approx((1 + 1 / 2 + 0) / 3)
    assert means["precision@2"] == pytest.approx((1 / 2 + 1 / 2 + 0) / 3)
    assert means["mrr@2"] == pytest.approx((1 / 2 + 1 + 0) / 3)
    assert means["map@2"] == pytest.approx((1 / 2 + 1 / 2 + 0) / 3)
    second = 1 / math.log2(3)
    assert means["ndcg@2"] == pytest.approx((second + 1 / (1 + second) + 0) / 3)
    assert measured.per_case["ndcg@2"] == pytest.approx([second, 1 / (1 + second), 0])
    # Shown: q three times, a, x and r once. Sorted 0, 0, 0, 0, 1, 1, 1, 3 with weights −7, −5, …, 7.
    assert means["coverage@2"] == pytest.approx(4 / 8)
    assert means["gini@2"] == pytest.approx((1 + 3 + 5 + 3 * 7) / (8 * 6))
    # No event was counted: every item has p = 1/8, 3 bits.
    assert means["novelty@2"] == pytest.approx(3.0)
    # Of one category {c}: q, a, r. x has none and is unlike q.
    assert measured.per_case["diversity@2"] == pytest.approx([0, 1, 0], abs=1e-9)


def test_item_vectors_stand_in_for_categories() -> None:
    # a and b are opposite: distance 2, though one category.
    vectors = np.zeros((8, 1), np.float32)
    vectors[:2, 0] = 1, -3
    measured = measure("m", lambda batch, k: [["a", "b"]], [case("ann", [], {"z"})], yardstick(vectors), [2])
    assert measured.means()["diversity@2"] == pytest.approx(2.0)


def test_a_catalogue_with_categories_is_measured_by_them(tmp_path: Path) -> None:
    # Four of the six items have one.
    assert Yardstick.of(Recommender.load(write_bundle(tmp_path), "v1")).vectors is None


def test_an_item_outside_the_catalogue_is_a_miss_and_no_exposure() -> None:
    measured = measure("m", lambda batch, k: [["new", "a"]], [case("ann", [], {"z"})], yardstick(), [2])
    assert measured.means()["coverage@2"] == 1 / 8
    assert measured.means()["diversity@2"] == 0.0  # one item has no pair, so no list has a value


def test_no_cases_score_nothing() -> None:
    assert set(measure("m", lambda batch, k: [], [], yardstick()).means().values()) == {0.0}


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
