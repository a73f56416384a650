"""Ranking given candidates: the file as users write it, and the ranks worked out by hand."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from models.errors import InputError, SchemaError
from models.recommender import Recommender
from pipelines.evaluation.candidate_lists import (
    candidate_lists,
    measure_candidates,
    popularity_scores,
    read_candidates,
)
from pipelines.evaluation.cases import EvaluationCase
from pipelines.evaluation.protocols import given_candidates
from tests.models.tiny_bundle import ITEMS, user, write_bundle

SCORES = {"a": 0.9, "b": 0.5, "c": 0.5, "d": 0.1}


def score(users: list, item_ids: list) -> list[np.ndarray]:
    """Scores by item; an item that is not known has none."""
    return [np.asarray([SCORES.get(item_id, np.nan) for item_id in ids], np.float32) for ids in item_ids]


def case(user_id: str, *relevant: str) -> EvaluationCase:
    return EvaluationCase(user(user_id), frozenset(relevant))


def mrr(cases: list[EvaluationCase], **candidates: str) -> list[float]:
    lists, _ = candidate_lists({name: list(items) for name, items in candidates.items()}, cases)
    return measure_candidates("m", score, lists)[0].per_case["mrr@10"].tolist()


def test_the_item_to_be_found_competes_with_the_candidates() -> None:
    assert mrr([case("ann", "b")], ann="ad") == [1 / 2]


def test_a_list_that_holds_the_item_counts_it_once() -> None:
    assert mrr([case("ann", "a")], ann="abd") == mrr([case("ann", "a")], ann="bd") == [1.0]


def test_a_tie_counts_against_the_model() -> None:
    assert mrr([case("ann", "b")], ann="cd") == [1 / 2]


def test_other_relevant_items_do_not_compete() -> None:
    # a and d are each ranked against b and c alone: ranks 1 and 3, mean (1 + 1/3) / 2.
    assert mrr([case("ann", "a", "d")], ann="abcd") == pytest.approx([(1 + 1 / 3) / 2])


def test_an_unknown_item_is_last_as_candidate_and_as_answer() -> None:
    assert mrr([case("ann", "d")], ann="xy") == [1.0]
    assert mrr([case("ann", "x")], ann="yd") == [1 / 3]
    lists, _ = candidate_lists({"ann": ["x", "d"]}, [case("ann", "y")])
    assert measure_candidates("m", score, lists)[1] == ["2 of 3 items have no score by m: each is ranked last"]


def test_a_diverged_net_finds_nothing() -> None:
    lists, _ = candidate_lists({"ann": [*"bcdefghijklm"]}, [case("ann", "a")])
    measured, _ = measure_candidates("m", lambda users, ids: [np.full(len(i), np.nan, np.float32) for i in ids], lists)
    assert measured.means()["hit_rate@10"] == 0.0


def test_users_that_do_not_meet_are_left_out_and_said() -> None:
    cases = [case("ann", "a"), case("bob", "b"), case("cy", "a")]
    lists, notes = candidate_lists({"ann": ["b"], "dot": ["a"], "cy": ["a"]}, cases)
    assert [found.case.user.user_id for found in lists] == ["ann"]
    assert notes == [
        "1 of 3 users with candidates have no held-out item: ignored",
        "1 users have no candidate but what is to be found: ignored",
    ]


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_both_kinds_of_file_with_numbers_for_ids(tmp_path: Path, suffix: str) -> None:
    rows = pl.DataFrame({"item_id": [7, 8, 7, 9, None], "user_id": [2, 2, 2, 1, 1], "more": [0] * 5})
    path = tmp_path / f"candidates{suffix}"
    rows.write_csv(path) if suffix == ".csv" else rows.write_parquet(path)
    assert read_candidates(path) == {"2": ["7", "8"], "1": ["9"]}


@pytest.mark.parametrize(
    ("name", "content", "error", "message"),
    [
        ("none.csv", None, InputError, "cannot be read"),
        ("empty.csv", b"", InputError, "cannot be read"),
        ("bad.parquet", b"user_id,item_id\n1,2\n", InputError, "cannot be read"),
        ("header.csv", b"user_id,item_id\n", InputError, "holds no pair"),
        ("nulls.csv", b"user_id,item_id\n,3\n4,\n", InputError, "holds no pair"),
        ("other.csv", b"user,item_id\n1,2\n", SchemaError, "lacks the columns user_id; it has user, item_id"),
    ],
)
def test_a_file_that_is_none(tmp_path: Path, name: str, content: bytes | None, error: type, message: str) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(error, match=message):
        read_candidates(tmp_path / name)


def test_lists_that_meet_no_case_say_why() -> None:
    lists, notes = candidate_lists({"dot": ["a"]}, [case("ann", "a")])
    with pytest.raises(InputError, match="1 of 1 users with candidates have no held-out item"):
        given_candidates({}, lists, notes)


def test_a_bundle_and_popularity_on_the_same_lists(tmp_path: Path) -> None:
    recommender = Recommender.load(write_bundle(tmp_path, ranker_weight=0.5), "v1")
    lists, notes = candidate_lists(
        {"ann": ITEMS, "bob": [*ITEMS, "new"]}, [case("ann", ITEMS[1]), case("bob", ITEMS[5])]
    )
    found = given_candidates({"model": recommender}, lists, notes)
    # Counts fall from item 0 to item 5: rank 2 of 6 and 6 of 7.
    assert found.metrics["popularity"]["mrr@10"] == pytest.approx((1 / 2 + 1 / 6) / 2)
    scores = recommender.score_pairs([user("ann")], [ITEMS])[0]
    rank = 1 + int((scores > scores[1]).sum())
    assert found.intervals["model"]["mrr@10"].mean == pytest.approx(
        (1 / rank + mrr_of(recommender, "bob", ITEMS[5])) / 2
    )
    assert found.notes == tuple(
        f"1 of 13 items have no score by {m}: each is ranked last" for m in ("model", "popularity")
    )


def mrr_of(recommender: Recommender, user_id: str, item_id: str) -> float:
    scores = recommender.score_pairs([user(user_id)], [ITEMS])[0]
    return 1 / (1 + int((scores > scores[ITEMS.index(item_id)]).sum()))


def test_popularity_does_not_know_an_unknown_item(tmp_path: Path) -> None:
    popularity = popularity_scores(Recommender.load(write_bundle(tmp_path), "v1"))
    [scores] = popularity([user("ann")], [["item-0", "new", "item-5"]])
    assert scores.tolist() == pytest.approx([5.0, np.nan, 0.0], nan_ok=True)


def test_six_thousand_lists_of_a_hundred_take_seconds() -> None:
    names = [str(n) for n in range(6_040)]
    lists, _ = candidate_lists({name: [str(n) for n in range(100)] for name in names}, [case(n, "a") for n in names])
    random = np.random.default_rng(0)
    started = time.process_time()
    measured, _ = measure_candidates("m", lambda u, ids: [random.random(len(i), np.float32) for i in ids], lists)
    assert time.process_time() - started < 3.0
    # By chance the item is among the first ten of 101 once in ten.
    assert measured.means()["hit_rate@10"] == pytest.approx(10 / 101, abs=0.015)
