"""Experiments: a strict file, and a split that is sticky, fair and known in advance."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from models.errors import ConfigError
from models.experiments import CHAMPION_FOR_ALL, Experiment, Variant, load_experiment, parse_experiment
from models.selection import Blocks

SPLIT = Experiment(
    "s", (Variant("popularity", 10, "popularity"), Variant("model", 60), Variant("old", 30, version="v1"))
)
FILE = """
salt = "home-1"
[[variants]]
name = "popularity"
weight = 1
source = "popularity"
[[variants]]
name = "model"
weight = 3
version = "v7"
"""


SOURCES = 'salt = "x"\n[[variants]]\nname = "a"\nweight = 1\n[variants.sources]\n'


def test_shares_follow_the_weights() -> None:
    num = 20_000
    counts = Counter(SPLIT.assign(f"user-{n}").name for n in range(num))
    for variant in SPLIT.variants:
        share = SPLIT.propensity(variant)
        # Five standard deviations of a binomial: fails by chance once in two million.
        assert counts[variant.name] / num == pytest.approx(share, abs=5 * (share * (1 - share) / num) ** 0.5)


def test_the_assignment_is_written_down() -> None:
    # Golden: a change here deals running experiments anew.
    names = [SPLIT.assign(f"user-{n}").name for n in range(8)]
    assert names == ["old", "old", "model", "popularity", "model", "model", "old", "model"]


def test_another_salt_deals_anew_and_independently() -> None:
    other = Experiment("t", SPLIT.variants)
    users = [f"user-{n}" for n in range(5_000)]
    both = sum(SPLIT.assign(u).name == other.assign(u).name for u in users) / len(users)
    assert both == pytest.approx(0.1**2 + 0.6**2 + 0.3**2, abs=0.04)


def test_more_weight_for_the_last_variant_moves_nobody_between_the_others() -> None:
    grown = Experiment("s", (Variant("a", 50), Variant("b", 50)))
    shrunk = Experiment("s", (Variant("a", 20), Variant("b", 80)))
    moved = {(grown.assign(str(n)).name, shrunk.assign(str(n)).name) for n in range(2_000)}
    assert ("b", "a") not in moved


def test_any_text_is_an_id() -> None:
    assert {CHAMPION_FOR_ALL.assign(user).name for user in ("", "ñ", "\ud800", "x" * 128)} == {"model"}


def test_a_file_is_read_whole(tmp_path: Path) -> None:
    path = tmp_path / "experiments.toml"
    path.write_text(FILE)
    experiment = load_experiment(path)
    assert experiment.variants == (Variant("popularity", 1.0, "popularity"), Variant("model", 3.0, "model", "v7"))
    assert [experiment.propensity(variant) for variant in experiment.variants] == [0.25, 0.75]
    assert experiment.pinned == ("v7",)
    assert load_experiment(None) == CHAMPION_FOR_ALL


def test_sources_keep_their_order_and_are_the_variants_own(tmp_path: Path) -> None:
    path = tmp_path / "experiments.toml"
    path.write_text(SOURCES + 'new = 1\nmodel = 0.7\ntrending = 0\n[[variants]]\nname = "b"\nweight = 1\n')
    mixed, plain = load_experiment(path).variants
    assert list(mixed.sources.items()) == [("new", 1.0), ("model", 0.7), ("trending", 0.0)]
    assert plain.sources == {}
    assert mixed.selection.config.blocks == Blocks({"new": 1.0, "model": 0.7})
    assert plain.selection.config.blocks is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('slat = "x"', "unknown key 'slat'. The nearest is 'salt'"),
        ('salt = "x"\n[[variants]]\nnme = "a"\nweight = 1', "unknown key 'nme'. The nearest is 'name'"),
        ('salt = "x"', r"no \[\[variants\]\]"),
        ('salt = "x"\nvariants = 3', r"\[\[variants\]\]"),
        ('salt = "x"\nvariants = [3]', r"\[\[variants\]\]"),
        ('[[variants]]\nname = "a"\nweight = 1', "no salt"),
        ('salt = "x"\n[[variants]]\nname = "a"\nweight = 0', "a number above 0; got 0"),
        ('salt = "x"\n[[variants]]\nname = "a"\nweight = inf', "got inf"),
        ('salt = "x"\n[[variants]]\nname = "a"\nweight = nan', "got nan"),
        ('salt = "x"\n[[variants]]\nname = "a"\nweight = true', "got True"),
        ('salt = "x"\n[[variants]]\nname = ""\nweight = 1', "name must be text"),
        ('salt = "x"\n[[variants]]\nname = "a"\nweight = 1\nsource = "magic"', "'magic' is unknown. Use one of: model"),
        ('salt = "x"\n[[variants]]\nname = "a"\nweight = 1\nversion = 3', "version 3"),
        ('salt = "x"\n' + '[[variants]]\nname = "a"\nweight = 1\n' * 2, "must differ"),
        (SOURCES + "trendin = 1", "unknown source 'trendin'. The nearest is 'trending'"),
        (SOURCES + "model = -1", "'model' must be a number from 0; got -1"),
        (SOURCES + "model = nan", "got nan"),
        (SOURCES + "model = true", "got True"),
        (SOURCES + "model = 0\nnew = 0.0", "no source of a variant has a share above 0"),
        ('salt = "x"\n[[variants]]\nname = "a"\nweight = 1\nsources = 3', "sources 3 of a model variant"),
        (
            'salt = "x"\n[[variants]]\nname = "a"\nweight = 1\nsource = "popularity"\nsources = { new = 1 }',
            "only a model variant has them",
        ),
        ("salt = ", "is not TOML"),
    ],
)
def test_a_mistake_is_named(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "experiments.toml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=message):
        load_experiment(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        load_experiment(tmp_path / "nope.toml")


def test_a_version_of_popularity_makes_no_sense() -> None:
    with pytest.raises(ConfigError, match="only a model variant"):
        parse_experiment(
            {"salt": "x", "variants": [{"name": "a", "weight": 1, "source": "popularity", "version": "v1"}]}
        )
