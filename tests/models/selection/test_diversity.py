"""MMR and DPP beside the same by brute force: similarities of all pairs, determinants of all choices."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from models.errors import ConfigError
from models.selection import Dpp, Mmr
from models.selection.gains import Gains

SEEDS = st.integers(0, 10_000)
Scores = NDArray[np.float64]
Vectors = NDArray[np.float32]


def greedy(gains: Gains, num: int) -> list[int]:
    """Entries in the order in which a row takes them."""
    chosen: list[int] = []
    for _ in range(num):
        values = gains.values.copy()
        values[chosen] = -np.inf
        chosen.append(int(values.argmax()))
        gains.add(chosen[-1])
    return chosen


def sample(seed: int, num: int = 9, dim: int = 4) -> tuple[Scores, Vectors]:
    random = np.random.default_rng(seed)
    return random.random(num), random.normal(size=(num, dim)).astype(np.float32)


def cosines(vectors: Vectors) -> Scores:
    wide = vectors.astype(np.float64)
    wide /= np.linalg.norm(wide, axis=1, keepdims=True)
    return wide @ wide.T


@pytest.mark.parametrize("diversity", [Mmr(1.0), Dpp(1.0)])
@settings(deadline=None)
@given(SEEDS)
def test_a_trade_off_of_one_is_the_order_of_scores(diversity: Mmr | Dpp, seed: int) -> None:
    relevance, vectors = sample(seed)
    order = np.argsort(-relevance, kind="stable").tolist()
    assert greedy(diversity.start(relevance, vectors, 9), 9) == order


@settings(deadline=None)
@given(SEEDS, st.sampled_from([0.0, 0.3, 0.7]))
def test_mmr_is_its_formula(seed: int, trade_off: float) -> None:
    relevance, vectors = sample(seed)
    likeness, chosen = cosines(vectors), []
    for _ in range(9):
        worth = trade_off * relevance - (1 - trade_off) * (likeness[:, chosen].max(axis=1) if chosen else 0)
        worth[chosen] = -np.inf
        chosen.append(int(worth.argmax()))
    assert greedy(Mmr(trade_off).start(relevance, vectors, 9), 9) == chosen


@settings(deadline=None)
@given(SEEDS, st.sampled_from([0.1, 0.5, 0.8]))
def test_dpp_takes_what_raises_the_determinant_most(seed: int, trade_off: float) -> None:
    relevance, vectors = sample(seed)
    quality = np.exp(trade_off / (2 * (1 - trade_off)) * relevance)
    kernel = quality[:, None] * cosines(vectors) * quality
    chosen: list[int] = []
    for _ in range(4):  # no more directions than dimensions: the fifth determinant is 0
        gains = [
            -np.inf if entry in chosen else np.linalg.slogdet(kernel[np.ix_([*chosen, entry], [*chosen, entry])])[1]
            for entry in range(9)
        ]
        chosen.append(int(np.argmax(gains)))
    assert greedy(Dpp(trade_off).start(relevance, vectors, 9), 4) == chosen


@settings(deadline=None)
@given(SEEDS)
def test_a_greedy_dpp_of_two_by_all_pairs(seed: int) -> None:
    """For a row of two that starts with the best, the pair has the largest determinant of all pairs with it."""
    relevance, vectors = sample(seed)
    kernel = cosines(vectors)
    first, second = greedy(Dpp(0.0).start(relevance, vectors, 2), 2)
    determinants = 1 - kernel[first] ** 2
    assert determinants[second] == pytest.approx(np.delete(determinants, first).max())


@pytest.mark.parametrize("diversity", [Mmr(0.5), Dpp(0.5)])
def test_a_repeat_waits_for_what_is_different(diversity: Mmr | Dpp) -> None:
    vectors = np.asarray([[1, 0], [2, 0], [0, 1]], np.float32)
    relevance = np.asarray([1.0, 0.9, 0.3])
    assert greedy(diversity.start(relevance, vectors, 3), 3) == [0, 2, 1]


@pytest.mark.parametrize("diversity", [Mmr(0.5), Dpp(0.5)])
def test_items_without_a_direction_are_like_nothing(diversity: Mmr | Dpp) -> None:
    vectors = np.asarray([[1, 0], [0, 0], [1, 0], [0, 0]], np.float32)
    relevance = np.asarray([1.0, 0.2, 0.9, 0.1])
    assert greedy(diversity.start(relevance, vectors, 4), 4) == [0, 1, 3, 2]


def test_dpp_goes_on_by_relevance_where_no_direction_is_left() -> None:
    relevance, vectors = sample(3, num=30, dim=2)
    chosen = greedy(Dpp(0.5).start(relevance, vectors, 30), 30)
    assert sorted(chosen) == list(range(30))
    assert (np.diff(relevance[chosen[2:]]) <= 0).all()


@pytest.mark.parametrize("trade_off", [-0.1, 1.1, float("nan")])
def test_trade_offs_lie_between_0_and_1(trade_off: float) -> None:
    for diversity in (Mmr, Dpp):
        with pytest.raises(ConfigError, match="must be 0 to 1"):
            diversity(trade_off)
