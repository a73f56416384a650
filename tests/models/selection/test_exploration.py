"""Propensities are what they say: rows come as often as the product of their items' propensities."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from models.errors import ConfigError
from models.selection import (
    PLAIN,
    Cap,
    Control,
    Dpp,
    Epsilon,
    Mark,
    Mmr,
    PlackettLuce,
    Pool,
    SelectionConfig,
    select,
)
from tests.models.selection.pools import ranked

pytestmark = pytest.mark.slow

DRAWS = 3_000
POOL = replace(
    Pool.of(ranked([10, 11, 12, 13], [3.0, 2.5, 1.0, 0.0])),
    vectors=np.asarray([[1, 0], [1, 0.2], [0, 1], [-1, 1]], np.float32),
    categories=[["a"], ["a"], ["b"], ["b"]],
    places={"pin": 2},
)


@pytest.mark.parametrize(
    ("config", "control"),
    [
        (SelectionConfig(exploration=Epsilon(0.4)), Control()),
        (SelectionConfig(exploration=Epsilon(0.7, frozenset({1}))), Control()),
        (SelectionConfig(exploration=PlackettLuce(0.5)), Control()),
        (SelectionConfig(exploration=PlackettLuce(0.5), caps=(Cap(1, window=2),)), Control()),
        (SelectionConfig(exploration=PlackettLuce(1.0), diversity=Mmr(0.5)), Control({1: "pin"})),
        (SelectionConfig(exploration=Epsilon(0.5), diversity=Dpp(0.5)), Control()),
    ],
)
def test_rows_come_as_often_as_their_propensities_say(config: SelectionConfig, control: Control) -> None:
    seen: Counter[tuple[int, ...]] = Counter()
    said: dict[tuple[int, ...], float] = {}
    for seed in range(DRAWS):
        shown = select(POOL, 3, config, control, seed=seed)
        row = tuple(shown.item_rows.tolist())
        seen[row] += 1
        probability = float(shown.propensities.prod())
        assert said.setdefault(row, probability) == pytest.approx(probability)
    for row, probability in said.items():
        spread = (probability * (1 - probability) / DRAWS) ** 0.5
        assert abs(seen[row] / DRAWS - probability) < 5 * spread + 1e-9, row
    assert sum(said.values()) == pytest.approx(1, abs=0.02)  # rows too rare to be seen are missing


def test_plackett_luce_by_hand() -> None:
    # Relevance 1 and 0 at temperature 1 / ln 3: weights 3 and 1, so 3/4, and what is left has 1.
    pool = Pool.of(ranked([5, 6], [2.0, 1.0]))
    config = SelectionConfig(exploration=PlackettLuce(1 / np.log(3)))
    rows = [select(pool, 2, config, seed=seed) for seed in range(30)]
    found = {tuple(row.item_rows.tolist()): row.propensities.tolist() for row in rows}
    assert found[5, 6] == pytest.approx([0.75, 1.0])
    assert found[6, 5] == pytest.approx([0.25, 1.0])
    marks = {row.item_rows[0]: row.marks[0] for row in rows}
    assert marks == {5: Mark.RANKED, 6: Mark.EXPLORED}


def test_epsilon_by_hand() -> None:
    # Four candidates, epsilon 0.4: the best has 0.6 + 0.1, any other 0.1.
    config = SelectionConfig(exploration=Epsilon(0.4))
    found = {
        int(row.item_rows[0]): (float(row.propensities[0]), row.marks[0])
        for row in (select(POOL, 1, config, seed=seed) for seed in range(200))
    }
    assert found[10] == (pytest.approx(0.7), Mark.RANKED)
    assert found[13] == (pytest.approx(0.1), Mark.EXPLORED)
    assert len(found) == 4


def test_without_exploration_nothing_is_left_to_chance() -> None:
    for config in (PLAIN, SelectionConfig(diversity=Mmr(0.5)), SelectionConfig(exploration=Epsilon(0.0))):
        rows = {tuple(select(POOL, 4, config, seed=seed).item_rows.tolist()) for seed in range(20)}
        assert len(rows) == 1
        assert select(POOL, 4, config).propensities.tolist() == [1.0] * 4


def test_very_cold_and_very_hot() -> None:
    cold = [select(POOL, 4, SelectionConfig(exploration=PlackettLuce(1e-9)), seed=seed) for seed in range(20)]
    assert {tuple(row.item_rows.tolist()) for row in cold} == {(10, 11, 12, 13)}
    hot = select(POOL, 4, SelectionConfig(exploration=PlackettLuce(1e9)))
    assert hot.propensities.tolist() == pytest.approx([1 / 4, 1 / 3, 1 / 2, 1])


def test_values_out_of_range_are_refused() -> None:
    for share in (-0.1, 1.1, float("nan")):
        with pytest.raises(ConfigError, match="must be 0 to 1"):
            Epsilon(share)
    for temperature in (0.0, -1.0, float("inf"), float("nan")):
        with pytest.raises(ConfigError, match="must be above 0"):
            PlackettLuce(temperature)
