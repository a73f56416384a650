"""Rules in a file: each form of each rule is read, and a mistake is named."""

from __future__ import annotations

import tomllib

import pytest
from hypothesis import given, settings

from models.errors import ConfigError
from models.experiments import parse_experiment
from models.selection import (
    NO_CONTROL,
    Boost,
    Cap,
    Control,
    Dpp,
    Epsilon,
    Freshness,
    Mmr,
    PlackettLuce,
    SelectionConfig,
    joined,
    parse_rules,
)
from tests.models.selection.pools import controls

WHOLE = """
diversity = { mmr = 0.7 }
caps = [{ at_most = 2, window = 5 }, { at_most = 1, categories = ["Drama"], soft = true }]
freshness = { weight = 0.2, half_life_s = 604_800 }
exploration = { epsilon = 0.05, positions = [3] }
pins = { 0 = "i12" }
promoted = ["i7", "i8"]
promoted_positions = [4, 9]
boosts = [{ filter = 'genres ANY ("Drama")', multiply = 1.5 }]
buried = ['age_rating > 16']
"""


def test_every_rule_is_read() -> None:
    rules = parse_rules(tomllib.loads(WHOLE))
    assert rules.config == SelectionConfig(
        Mmr(0.7),
        (Cap(2, 5), Cap(1, None, frozenset({"Drama"}), True)),
        Freshness(0.2, 604_800),
        Epsilon(0.05, frozenset({3})),
    )
    boosts = (Boost('genres ANY ("Drama")', 1.5),)
    assert rules.control == Control({0: "i12"}, ("i7", "i8"), (4, 9), boosts, ("age_rating > 16",))
    others = parse_rules(tomllib.loads("diversity = { dpp = 1 }\nexploration = { plackett_luce = 0.1 }"))
    assert others.config == SelectionConfig(Dpp(1.0), exploration=PlackettLuce(0.1))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("diversty = { mmr = 0.7 }", "unknown key 'diversty'. The nearest is 'diversity'"),
        ("diversity = { mrr = 0.7 }", "one of mmr, dpp; got mrr. The nearest to 'mrr' is 'mmr'"),
        ("diversity = { mmr = 0.7, dpp = 0.7 }", "one of mmr, dpp; got mmr, dpp"),
        ("diversity = { mmr = 2 }", "0 to 1; got 2.0"),
        ("diversity = 0.7", "diversity must be a table; got 0.7"),
        ("caps = [{ at_mots = 2 }]", "unknown key 'at_mots'. The nearest is 'at_most'"),
        ("caps = [{ window = 2 }]", "caps.at_most must be a whole number; got None"),
        ("caps = [{ at_most = true }]", "caps.at_most must be a whole number; got True"),
        ("caps = { at_most = 1 }", "caps must be a list"),
        ("caps = [{ at_most = 1, soft = 1 }]", "caps.soft must be true or false; got 1"),
        ("caps = [{ at_most = 1, categories = [3] }]", "caps.categories must be text; got 3"),
        ("freshness = { weight = 0.2 }", "freshness.half_life_s must be a number; got None"),
        ("freshness = { weight = nan, half_life_s = 1 }", "freshness.weight must be a number; got nan"),
        ("exploration = { plackett_luce = 0.1, positions = [1] }", "unknown key 'positions'"),
        ("blocks = { model = 0.7 }", "unknown key 'blocks'"),
        ('pins = { first = "i1" }', "'first' is no position"),
        ('pins = { 01 = "i1" }', "'01' is no position"),
        ("pins = { 0 = 3 }", "pins.0 must be a string"),
        ('pins = { 0 = "i1", 2 = "i1" }', "contradicts itself: item 'i1' is pinned at 0 and 2"),
        ('pins = { 4 = "i1" }\npromoted_positions = [4]', "both pinned to 'i1' and promoted"),
        ('promoted = ["a", "a"]', "promoted twice"),
        ("boosts = [{ filter = 'year >' }]", "boosts.filter: filter, position"),
        ("boosts = [{ multiply = 2 }]", "boosts.filter must be text; got None"),
        ("boosts = [{ filter = 'year > 3', multiply = -1 }]", "boosts: a boost multiplies by 0 to 1000"),
        ("buried = ['year >']", "buried: filter, position"),
    ],
)
def test_a_mistake_is_named(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        parse_rules(tomllib.loads(text))


def test_a_variants_own_rules_stand_in_place_of_those_at_the_top() -> None:
    text = """
    salt = "x"
    [selection]
    caps = [{ at_most = 2 }]
    [[variants]]
    name = "own"
    weight = 1
    [variants.selection]
    diversity = { mmr = 0.7 }
    [[variants]]
    name = "of all"
    weight = 1
    """
    own, of_all = (variant.selection.config for variant in parse_experiment(tomllib.loads(text)).variants)
    assert own == SelectionConfig(Mmr(0.7))
    assert of_all == SelectionConfig(caps=(Cap(2),))
    with pytest.raises(ConfigError, match="variant 'own': selection has an unknown key 'cap'"):
        parse_experiment(tomllib.loads(text.replace("diversity = { mmr = 0.7 }", "cap = 1")))


@settings(deadline=None)
@given(controls(), controls())
def test_a_request_has_the_last_word_and_never_contradicts_what_stands(asked: Control, standing: Control) -> None:
    both = joined(asked, standing)
    assert asked.pins.items() <= both.pins.items()
    assert both.pins.items() <= asked.pins.items() | standing.pins.items()
    assert both.promoted == (asked.promoted or standing.promoted)
    assert set(asked.promoted_positions) <= set(both.promoted_positions)
    assert both.boosts == standing.boosts + asked.boosts
    assert joined(asked, NO_CONTROL) == asked
    assert joined(NO_CONTROL, standing) == standing


def test_what_stands_gives_way_where_there_is_no_room() -> None:
    asked = Control({0: "a"}, tuple(f"p{n}" for n in range(199)), buried=("f",) * 30)
    standing = Control({n + 1: f"i{n}" for n in range(100)}, boosts=(Boost("g"),) * 5)
    both = joined(asked, standing)
    assert len(both.pins) + len(both.promoted) == 256
    assert len(both.boosts) + len(both.buried) == 32
    assert (both.pins[0], both.promoted, both.buried) == ("a", asked.promoted, asked.buried)
