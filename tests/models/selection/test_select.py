"""A row under any rules: each item once, as long as it can be, and every rule kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.errors import InputError
from models.selection import (
    NO_CONTROL,
    PLAIN,
    Blocks,
    Boost,
    Cap,
    Control,
    Epsilon,
    Freshness,
    Mark,
    Mmr,
    Needs,
    PlackettLuce,
    Pool,
    Selected,
    SelectionConfig,
    needs,
    select,
)
from models.selection.exploration import greatest
from tests.models.selection.pools import CAPS, CONFIGS, FILTERS, NOW_US, controls, pools, ranked

LIMITS = st.integers(1, 12)
SEEDS = st.integers(0, 5)


def row(pool: Pool, limit: int, config: SelectionConfig, control: Control = NO_CONTROL, seed: int = 0) -> Selected:
    return select(pool, limit, config, control, now_us=NOW_US, seed=seed)


@settings(max_examples=60, deadline=None)
@given(pools(), LIMITS, CONFIGS, controls(), SEEDS)
def test_a_row_shows_no_item_twice_and_says_of_each_where_it_comes_from(
    pool: Pool, limit: int, config: SelectionConfig, control: Control, seed: int
) -> None:
    shown = row(pool, limit, config, control, seed)
    assert len(set(shown.item_rows.tolist())) == len(shown) <= limit
    assert shown.item_rows.tolist() == pool.item_rows[shown.entries].tolist()
    assert shown.scores.tolist() == pool.scores[shown.entries].tolist()
    assert shown.sources == tuple(pool.source(entry) for entry in shown.entries)
    assert len(shown.marks) == len(shown.propensities) == len(shown)
    assert ((shown.propensities > 0) & (shown.propensities <= 1 + 1e-12)).all()
    by_hand = [mark in (Mark.PINNED, Mark.PROMOTED) for mark in shown.marks]
    assert all(entry < pool.num_ranked or hand for entry, hand in zip(shown.entries, by_hand, strict=True))
    again = row(pool, limit, config, control, seed)
    assert (again.entries.tolist(), again.propensities.tolist()) == (
        shown.entries.tolist(),
        shown.propensities.tolist(),
    )


@settings(max_examples=60, deadline=None)
@given(pools(), LIMITS, CONFIGS, controls(), SEEDS)
def test_a_row_is_as_long_as_what_there_is(
    pool: Pool, limit: int, config: SelectionConfig, control: Control, seed: int
) -> None:
    config = replace(config, caps=tuple(replace(cap, soft=True) for cap in config.caps))
    shown = row(pool, limit, config, control, seed)
    placed = [mark in (Mark.PINNED, Mark.PROMOTED) for mark in shown.marks]
    available = {*pool.item_rows[: pool.num_ranked].tolist(), *shown.item_rows[np.asarray(placed, bool)].tolist()}
    assert len(shown) == min(limit, len(available))


def closes_up(shown: Selected, at: int, limit: int) -> bool:
    """In a row that is too short what is placed behind its end closes up to it: nothing is ranked any more there."""
    return len(shown) < limit and all(mark in (Mark.PINNED, Mark.PROMOTED) for mark in shown.marks[at:])


@settings(max_examples=60, deadline=None)
@given(pools(), LIMITS, CONFIGS, controls(), SEEDS)
def test_pins_stand_at_their_positions(
    pool: Pool, limit: int, config: SelectionConfig, control: Control, seed: int
) -> None:
    shown = row(pool, limit, config, control, seed)
    items, places = shown.item_rows.tolist(), pool.places
    pins = {at: places[item] for at, item in control.pins.items() if at < limit and item in places}
    for position, entry in pins.items():
        at = items.index(pool.item_rows[entry])
        assert shown.marks[at] is Mark.PINNED
        assert at == position or closes_up(shown, at, limit)
    assert shown.marks.count(Mark.PINNED) == len(pins)


@settings(max_examples=60, deadline=None)
@given(pools(), LIMITS, CONFIGS, controls(), SEEDS)
def test_promoted_items_fill_their_positions_in_their_order(
    pool: Pool, limit: int, config: SelectionConfig, control: Control, seed: int
) -> None:
    shown = row(pool, limit, config, control, seed)
    pinned = {item for at, item in control.pins.items() if at < limit}
    wanted = [pool.item_rows[pool.places[item]] for item in control.promoted if item in pool.places.keys() - pinned]
    positions = sorted(at for at in control.promoted_positions if at < limit)
    found = [at for at, mark in enumerate(shown.marks) if mark is Mark.PROMOTED]
    assert shown.item_rows[found].tolist() == wanted[: len(positions)]
    assert all(at == position or closes_up(shown, at, limit) for at, position in zip(found, positions, strict=False))


@settings(max_examples=60, deadline=None)
@given(pools(), LIMITS, CONFIGS, st.lists(CAPS, min_size=1, max_size=3), SEEDS)
def test_hard_caps_are_kept(pool: Pool, limit: int, config: SelectionConfig, caps: list[Cap], seed: int) -> None:
    shown = row(pool, limit, replace(config, caps=tuple(caps)), NO_CONTROL, seed)
    assert pool.categories is not None
    held = [pool.categories[entry] for entry in shown.entries]
    for cap in caps:
        assert cap.soft or most(held, cap) <= cap.at_most


@settings(max_examples=60, deadline=None)
@given(pools(), LIMITS, CONFIGS, CAPS, controls())
def test_with_something_placed_no_other_item_adds_to_a_full_category(
    pool: Pool, limit: int, config: SelectionConfig, cap: Cap, control: Control
) -> None:
    cap = replace(cap, window=None, soft=False)
    shown = row(pool, limit, replace(config, caps=(cap,)), control)
    assert pool.categories is not None
    held = [pool.categories[entry] for entry in shown.entries]
    placed = [one for one, mark in zip(held, shown.marks, strict=True) if mark in (Mark.PINNED, Mark.PROMOTED)]
    assert most(held, cap) <= max(cap.at_most, most(placed, cap))


def most(held: Sequence[Sequence[str]], cap: Cap) -> int:
    """The fullest window of the fullest category."""
    window = cap.window or len(held)
    names = cap.categories or {name for names in held for name in names}
    starts = range(max(1, len(held) - window + 1))
    return max((sum(name in one for one in held[at : at + window]) for at in starts for name in names), default=0)


@settings(max_examples=60, deadline=None)
@given(pools(), LIMITS, CONFIGS, SEEDS)
def test_what_is_buried_stands_behind_all_else(pool: Pool, limit: int, config: SelectionConfig, seed: int) -> None:
    shown = row(pool, limit, replace(config, caps=()), Control(buried=FILTERS), seed)
    buried = (pool.passes[FILTERS[0]] | pool.passes[FILTERS[1]])[shown.entries].tolist()
    assert buried == sorted(buried)


@settings(max_examples=60, deadline=None)
@given(pools(), LIMITS)
def test_without_rules_one_list_is_cut(pool: Pool, limit: int) -> None:
    one = replace(pool, sources=("model",), source_of=None, item_rows=np.arange(len(pool)))
    shown = select(one, limit)
    assert shown.entries.tolist() == list(range(min(limit, one.num_ranked)))
    assert set(shown.marks) <= {Mark.RANKED}
    assert set(shown.sources) <= {"model"}
    slow = select(one, limit, SelectionConfig(exploration=None, diversity=Mmr(1.0)))
    order = np.argsort(-one.scores[: one.num_ranked], kind="stable")
    assert slow.entries.tolist() == order[:limit].tolist()


def test_a_source_s_scores_do_not_drown_those_of_another() -> None:
    # Scaled: a 1, b 0.5, c 0; x 1, y 0. Of equals the first source's come first.
    pool = Pool.merged({"model": ranked([1, 2, 3], [900, 850, 800]), "new": ranked([8, 9], [0.2, 0.1])})
    shown = row(pool, 5, PLAIN)
    assert shown.item_rows.tolist() == [1, 8, 2, 3, 9]
    assert shown.sources == ("model", "new", "model", "model", "new")
    assert shown.scores.tolist() == pytest.approx([900, 0.2, 850, 800, 0.1])


def test_what_is_new_rises_and_what_has_no_date_does_not() -> None:
    # Relevance 1, 0.5, 0.25, 0; bonus of an item one half-life old 0.5, of one from now 1, unknown 0.
    pool = Pool.of(ranked([1, 2, 3, 4], [4, 2, 1, 0]))
    day = 86_400_000_000
    pool = replace(pool, published_us=np.asarray([NOW_US - 100 * day, -1, NOW_US - 2 * day, NOW_US + day]))
    config = SelectionConfig(freshness=Freshness(1.0, 2 * 86_400))
    assert row(pool, 4, config).item_rows.tolist() == [1, 4, 3, 2]


def test_boosts_multiply_and_add_in_their_order() -> None:
    # Relevance 1, 0.5, 0. The first boost makes 0.5 into 1.0, the second 1.0 into 1.1 and 0 into 0.1.
    pool = replace(
        Pool.of(ranked([1, 2, 3], [3, 2, 1])),
        passes={"a": np.asarray([False, True, False]), "b": np.asarray([False, True, True])},
    )
    control = Control(boosts=(Boost("a", multiply=2.0), Boost("b", add=0.1)))
    assert row(pool, 3, PLAIN, control).item_rows.tolist() == [2, 1, 3]


@pytest.mark.parametrize("exploration", [None, PlackettLuce(0.1), Epsilon(0.5)])
def test_relevance_stays_a_number_however_it_is_moved(exploration: PlackettLuce | Epsilon | None) -> None:
    pool = replace(
        Pool.of(ranked([1, 2, 3, 4], [4, 3, 2, 1])),
        passes={"all": np.ones(4, np.bool_)},
        published_us=np.asarray([NOW_US, -1, NOW_US, -1]),
    )
    config = SelectionConfig(freshness=Freshness(-1.7e308, 1.0), exploration=exploration)
    for boost in (Boost("all", 1_000, 1_000), Boost("all", 1_000, -1_000)):
        shown = row(pool, 4, config, Control(boosts=(boost,) * 32))
        assert sorted(shown.item_rows.tolist()) == [1, 2, 3, 4]
        assert ((shown.propensities > 0) & (shown.propensities <= 1)).all()


def test_what_is_taken_is_not_the_greatest_however_little_is_left() -> None:
    gains = np.asarray([3.0, -np.inf, -np.inf])
    assert greatest(gains, np.asarray([False, True, True])) == 1
    assert greatest(gains, np.asarray([False, False, True])) == 2


def test_blocks_give_each_source_its_share_and_what_one_lacks_to_the_others() -> None:
    lists = {
        "model": ranked(list(range(20)), [20.0 - n for n in range(20)]),
        "trending": ranked([0, 1, 30, 31, 32, 33], [6, 5, 4, 3, 2, 1]),
        "new": ranked([40], [1.0]),
    }
    config = SelectionConfig(blocks=Blocks({"model": 0.5, "trending": 0.3, "new": 0.2}))
    shown = row(Pool.merged(lists), 10, config)
    # New has one item of its two places; the model, furthest behind its share, fills the other.
    assert [shown.sources.count(source) for source in lists] == [6, 3, 1]
    assert shown.sources[0] == "model"
    only_new = row(Pool.merged(lists), 3, SelectionConfig(blocks=Blocks({"new": 1})))
    assert only_new.sources == ("new", "model", "model")


def test_needs_says_what_is_read_and_a_pool_without_it_is_refused() -> None:
    config = SelectionConfig(diversity=Mmr(0.5), caps=(Cap(1),), freshness=Freshness(1, 1))
    control = Control({0: "a"}, ("b", "a"), (1,), (Boost("f"),), ("g", "f"))
    assert needs(config, control) == Needs(True, True, True, ("f", "g"), ("a", "b"))
    assert needs(PLAIN, NO_CONTROL) == Needs(False, False, False, (), ())
    pool = Pool.of(ranked([1], [1.0]))
    with pytest.raises(InputError, match="read vectors, categories, published_us, passes of 'f', passes of 'g'"):
        select(pool, 3, config, control)
    with pytest.raises(InputError, match=r"differ in length: 1 rows beside \[1, 2\]"):
        select(replace(pool, categories=[["x"], []]), 3, SelectionConfig(caps=(Cap(1),)))
    with pytest.raises(InputError, match="1 item or more; got 0"):
        select(pool, 0)
