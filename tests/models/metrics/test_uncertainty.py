"""Intervals and paired tests: what statistics says they must be, on data whose answer is known."""

from __future__ import annotations

import time
import tracemalloc
from importlib import import_module

import numpy as np
import pytest

from models.metrics import Estimate, bootstrap, mean, paired_test

NAN = float("nan")


def column(*values: float) -> np.ndarray:
    return np.asarray(values, np.float64)[:, None]


def normal(num: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=num)


def test_a_mean_leaves_out_users_without_a_value() -> None:
    assert mean(np.asarray([1.0, NAN, 3.0])) == 2.0
    assert np.isnan(mean(np.asarray([NAN])))
    # (1·1 + 3·5) / 4
    assert mean(np.asarray([1.0, NAN, 5.0]), np.asarray([1.0, 9.0, 3.0])) == 4.0


def test_the_interval_is_that_of_the_normal_law_on_many_users() -> None:
    values = normal(4_000)
    [found] = bootstrap(values[:, None])
    assert found is not None
    # The standard error of a mean is σ/√n, and 95 % lies within 1.96 of them.
    half = 1.96 * values.std() / np.sqrt(len(values))
    assert found.mean == pytest.approx(values.mean())
    assert (found.low, found.high) == pytest.approx((values.mean() - half, values.mean() + half), abs=0.15 * half)


def test_a_weighted_column_is_a_ratio_of_sums() -> None:
    [found] = bootstrap(column(0.0, 1.0, 1.0), column(1, 1, 2))
    assert found is not None
    assert found.mean == pytest.approx(3 / 4)
    # The worst resample draws only the first user, 1 in 27; the best none of them, 8 in 27.
    assert (found.low, found.high) == (0.0, 1.0)


def test_the_same_seed_gives_the_same_interval() -> None:
    values = normal(50)[:, None]
    assert bootstrap(values, seed=1) == bootstrap(values, seed=1) != bootstrap(values, seed=2)


def test_users_who_do_not_fit_at_once_are_drawn_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    values = normal(50)[:, None]
    [whole], peak_of_whole = with_peak(values)
    monkeypatch.setattr(import_module("models.metrics.bootstrap"), "_MAX_CELLS", 120)
    [parts], peak_of_parts = with_peak(values)
    assert (parts.low, parts.high) == pytest.approx((whole.low, whole.high))
    assert peak_of_parts < peak_of_whole / 4


def with_peak(values: np.ndarray) -> tuple[list[Estimate], int]:
    """The estimates, and the most bytes held at once for them."""
    tracemalloc.start()
    try:
        found = [estimate for estimate in bootstrap(values) if estimate is not None]
        return found, tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_few_users_give_degenerate_intervals_and_no_error() -> None:
    assert bootstrap(column(0.3)) == [Estimate(0.3, 0.3, 0.3)]
    assert bootstrap(np.zeros((0, 2))) == [None, None]
    assert bootstrap(np.asarray([[NAN, 1.0], [NAN, NAN]])) == [None, Estimate(1.0, 1.0, 1.0)]


def test_ten_thousand_users_take_a_moment() -> None:
    values = np.random.default_rng(0).random((10_000, 10))
    started = time.process_time()
    bootstrap(values)
    assert time.process_time() - started < 2.0


def test_a_shift_of_every_user_is_found_beneath_their_spread() -> None:
    # Users differ by 1, the models by 0.05 ± 0.1: each model's interval holds the other's mean, the paired one not 0.
    users = normal(400)
    better = users + 0.05 + 0.1 * normal(400, seed=1)
    test = paired_test(better, users)
    assert test.low > 0.0
    assert test.p_value < 0.01
    assert not test.is_worse
    assert paired_test(users, better).is_worse


def test_no_difference_has_p_value_1() -> None:
    test = paired_test(np.asarray([0.2, 0.5]), np.asarray([0.2, 0.5]))
    assert (test.difference, test.low, test.high, test.p_value) == (0.0, 0.0, 0.0, 1.0)


def test_the_p_value_is_the_share_of_signs_as_extreme() -> None:
    # Differences 1, 1, 1, 1: of 16 sign patterns only ++++ and −−−− are as extreme, 1/8.
    test = paired_test(np.ones(4), np.zeros(4), num_flips=20_000)
    assert test.p_value == pytest.approx(1 / 8, abs=0.01)


def test_chance_is_called_a_difference_as_seldom_as_promised() -> None:
    called = [
        paired_test(normal(60, seed), normal(60, 1_000 + seed), num_flips=400).p_value <= 0.05 for seed in range(100)
    ]
    # 5 % of 100 is 5, with a standard deviation of 2.2.
    assert 0 < sum(called) <= 11


def test_a_weighted_difference_leaves_out_users_without_a_value() -> None:
    # (1·0.4 + 3·0.2) / 4
    first, second = np.asarray([0.5, NAN, 0.9]), np.asarray([0.1, NAN, 0.7])
    test = paired_test(first, second, np.asarray([1.0, 9.0, 3.0]))
    assert test.difference == pytest.approx(1.0 / 4)
    # Differences of 0.4 and 0.6 in all: of four sign patterns ++ and −− are as extreme.
    assert test.p_value == pytest.approx(1 / 2, abs=0.05)


def test_one_user_is_compared_without_an_error() -> None:
    test = paired_test(np.ones(1), np.zeros(1))
    assert (test.low, test.high, test.p_value) == (1.0, 1.0, 1.0)
