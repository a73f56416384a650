"""The champion moves only for something as good everywhere that can be judged."""

from __future__ import annotations

import re

import numpy as np

from pipelines.evaluation.evaluation import Evaluation
from pipelines.publication.gate import judge, unjudged
from tests.pipelines.evaluation.measured_pairs import evaluated

NUM = 200
RANDOM = np.random.default_rng(0)
USERS = RANDOM.random(NUM)
FIRST_HALF = np.arange(NUM) < NUM // 2


def level(value: float) -> np.ndarray:
    return np.full(NUM, value)


def test_the_first_model_needs_to_beat_popularity() -> None:
    assert judge(evaluated(model=level(0.2), popularity=level(0.1))).passed
    assert not judge(evaluated(model=level(0.1), popularity=level(0.1))).passed


def test_with_nothing_to_judge_by_only_the_first_passes() -> None:
    assert unjudged(None).passed
    verdict = unjudged("20260101T000000-abc")
    assert not verdict.passed
    assert "the champion 20260101T000000-abc stays" in verdict.reason


def test_a_model_that_beats_the_champion_but_not_popularity_does_not_pass() -> None:
    assert not judge(evaluated(model=level(0.2), popularity=level(0.3), champion=level(0.1))).passed


def test_an_equal_candidate_replaces_the_champion() -> None:
    assert judge(evaluated(model=level(0.2), popularity=level(0.1), champion=level(0.2))).passed
    assert judge(evaluated(model=level(0.21), popularity=level(0.1), champion=level(0.2))).passed


def test_a_lower_mean_does_not_pass_even_within_chance() -> None:
    noisy = USERS + 0.1 * RANDOM.normal(size=NUM)
    worse, better = sorted([noisy, USERS], key=np.mean)
    verdict = judge(evaluated(model=worse, popularity=level(0), champion=better))
    assert not verdict.passed
    assert verdict.reason.endswith("worse, within chance, but losses would add up")


def test_the_reason_names_metric_values_and_interval() -> None:
    verdict = judge(evaluated(model=level(0.1), popularity=level(0.05), champion=level(0.2)))
    assert verdict.reason == (
        "ndcg@10 of all 200 cases is 0.1000 against champion's 0.2000 "
        "(difference -0.1000, 95% interval -0.1000 to -0.1000): worse, beyond chance"
    )


def refusal(evaluation: Evaluation) -> str:
    verdict = judge(evaluation)
    assert not verdict.passed
    return verdict.reason


def test_fewer_hits_beyond_chance_hold_a_better_ndcg_back() -> None:
    hits = {"model": np.where(np.arange(NUM) < 20, 0.0, 1.0)}
    reason = refusal(evaluated(hits=hits, model=level(0.3), popularity=level(0.1), champion=level(0.2)))
    assert re.fullmatch(
        r"hit_rate@10 of all 200 cases is 0\.9000 against champion's 1\.0000 "
        r"\(difference -0\.1000, 95% interval -0\.\d{4} to -0\.\d{4}\): worse, beyond chance",
        reason,
    )


def test_fewer_hits_within_chance_pass() -> None:
    hits = {"model": np.where(np.arange(NUM) < 1, 0.0, 1.0)}
    assert judge(evaluated(hits=hits, model=level(0.3), popularity=level(0.1), champion=level(0.2))).passed


def test_a_slice_that_loses_holds_a_better_model_back() -> None:
    model = np.where(FIRST_HALF, USERS - 0.1, USERS + 0.3)
    slices = {"users: cold": FIRST_HALF, "users: hot": ~FIRST_HALF}
    reason = refusal(evaluated(slices, model=model, popularity=level(-1), champion=USERS))
    assert re.fullmatch(
        r"ndcg@10 of the 100 cases in slice `users: cold` is 0\.\d{4} against champion's 0\.\d{4} "
        r"\(difference -0\.1000, 95% interval -0\.1000 to -0\.1000\): worse beyond chance",
        reason,
    )


def test_a_slice_of_few_cases_is_not_judged() -> None:
    few = np.arange(NUM) < 29
    model = np.where(few, USERS - 0.1, USERS + 0.3)
    assert judge(evaluated({"country: NO": few}, model=model, popularity=level(-1), champion=USERS)).passed
    enough = np.arange(NUM) < 30
    model = np.where(enough, USERS - 0.1, USERS + 0.3)
    assert not judge(evaluated({"country: NO": enough}, model=model, popularity=level(-1), champion=USERS)).passed


def test_a_slice_that_loses_within_chance_passes() -> None:
    change = np.where(FIRST_HALF, 0.3 * RANDOM.normal(size=NUM), 0.3)
    change[FIRST_HALF] -= change[FIRST_HALF].mean() + 0.01
    slices = {"users: cold": FIRST_HALF, "users: hot": ~FIRST_HALF}
    verdict = judge(evaluated(slices, model=USERS + change, popularity=level(-1), champion=USERS))
    assert verdict.passed
    assert verdict.reason.endswith("and none of 2 judged slices is worse")


def test_many_slices_of_an_equal_model_seldom_hold_it_back() -> None:
    """Of 12 slices one looks worse by its 95 % interval alone in a fourth of trials; the gate promises a twentieth."""
    slices = {f"country: {n}": np.arange(360) % 12 == n for n in range(12)}
    held = 0
    for _ in range(10):
        change = RANDOM.normal(size=360)
        change -= change.mean() - 1e-9
        held += not judge(evaluated(slices, model=change, popularity=np.full(360, -5.0), champion=np.zeros(360))).passed
    # Half a one is expected; more than 3 would have a chance of 1 in 1,000.
    assert held <= 3
