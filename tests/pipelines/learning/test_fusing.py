"""Weights of a hybrid: learned from validation users, with room left for content."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from cluster.delta.lake import Lake
from models.catalogue import ITEMS
from models.errors import ConfigError
from models.item_table import SCHEMA, ItemTable
from models.model_config import HybridConfig, ItemKnnConfig
from models.retrievers.hybrid import HybridRetriever
from models.tables import Table
from pipelines.learning.data.examples import Examples
from pipelines.learning.data.held_out import HeldOut
from pipelines.learning.fusing import default_sources, source_recipe, source_recipes
from pipelines.learning.fusion_weights import Cases, best_weights, learn_weights, likeliest, validation_cases
from pipelines.recipes import Recipe, load_recipe
from tests.models.retrievers.test_hybrid import COUNTS, source, users


def held_out(target: int, num: int = 20) -> HeldOut:
    """Users who had items 3 to 5 and turn to `target`."""
    batch = users(*[[3, 4, 5]] * num)
    return HeldOut(Examples(batch, np.full(num, target)), [np.asarray([3, 4, 5])] * num)


def test_the_source_that_is_right_gets_the_weight() -> None:
    right, wrong = source("als", 1.0, [0, 1, 2]), source("sequence", 1.0, [2, 1, 0])
    weights = learn_weights(HybridRetriever([right, wrong], COUNTS), held_out(target=0))
    assert weights[0] > 1.0
    assert weights[1] == pytest.approx(0.0, abs=1e-3)


@pytest.mark.parametrize(("weights", "first"), [([1.0, 0.1], True), ([0.1, 1.0], False)])
def test_an_example_counts_what_it_weighs(weights: list[float], first: bool) -> None:
    sources = [source("als", 1.0, [0, 1, 2]), source("sequence", 1.0, [2, 1, 0])]
    one, other = held_out(target=0, num=1), held_out(target=2, num=1)
    both = HeldOut(
        Examples(users([3, 4, 5], [3, 4, 5]), np.asarray([0, 2])), one.seen + other.seen, np.asarray(weights)
    )
    als, sequence = learn_weights(HybridRetriever(sources, COUNTS), both)[:2]
    assert (als > sequence) == first


@pytest.mark.parametrize(
    ("ordered", "title", "expected"),
    [
        (True, "A lamp", ("sequence", "als", "item_knn", "content")),
        (False, "A lamp", ("two_tower", "als", "item_knn", "content")),
        (False, None, ("two_tower", "als", "item_knn")),
    ],
)
def test_default_sources_are_those_that_the_data_has_something_for(
    tmp_path: Path, ordered: bool, title: str | None, expected: tuple[str, ...]
) -> None:
    lake = Lake(str(tmp_path))
    row = {"item_id": "a", "title": title, "num_interactions": 1}
    items = ItemTable(pa.Table.from_pylist([row], schema=SCHEMA))
    assert default_sources(ordered, items, lake) == expected[:3]  # no table of items at all
    catalogue = {"item_id": "a", "title": title, "updated_at": datetime(2026, 1, 1, tzinfo=UTC)}
    lake.append(Table.ITEMS, pa.Table.from_pylist([catalogue], schema=ITEMS))
    assert default_sources(ordered, items, lake) == expected


def test_content_that_does_not_help_still_answers_where_nothing_is_known() -> None:
    right, wrong = source("als", 1.0, [0, 1, 2]), source("content", 1.0, [2, 1, 0])
    als, content, content_where_unknown = learn_weights(HybridRetriever([right, wrong], COUNTS), held_out(target=0))
    assert content == pytest.approx(0.0, abs=1e-3)
    assert content_where_unknown >= 0.5 * als > 0.5


def test_candidates_hold_the_target_and_nothing_seen() -> None:
    hybrid = HybridRetriever([source("als", 1.0, [0, 1, 2])], COUNTS)
    cases = validation_cases(hybrid, held_out(target=7, num=3))
    assert cases.starts.tolist() == [0, 5, 10]  # eight items, three of them seen
    assert cases.right.tolist() == [4, 9, 14]


def test_candidates_are_those_that_were_drawn() -> None:
    drawn = replace(held_out(target=7, num=2), among=[np.asarray([1, 6]), np.asarray([2])])
    cases = validation_cases(HybridRetriever([source("als", 1.0, [0, 1, 2])], COUNTS), drawn)
    assert cases.starts.tolist() == [0, 3]  # the target is one more
    assert cases.right.tolist() == [2, 4]
    assert len(cases.features) == 5


def random_cases() -> Cases:
    random = np.random.default_rng(3)
    lengths = random.integers(1, 30, 40)
    starts = np.cumsum([0, *lengths[:-1]])
    shares = random.random(40)
    features = random.normal(size=(int(lengths.sum()), 3))
    return Cases(features, starts, starts + random.integers(0, lengths), shares / shares.sum())


def test_figures_of_all_cases_are_those_of_each() -> None:
    cases, weights = random_cases(), np.asarray([0.3, 0.0, 1.5])
    loss = ndcg = hit_rate = 0.0
    for block, right, share in zip(
        np.split(cases.features @ weights, cases.starts[1:]), cases.right - cases.starts, cases.shares, strict=True
    ):
        loss -= share * np.log(np.exp(block[right]) / np.exp(block).sum())
        rank = int((block > block[right]).sum())
        ndcg += share / np.log2(rank + 2) if rank < 10 else 0.0
        hit_rate += share * (rank < 10)
    assert cases.log_loss(weights)[0] == pytest.approx(loss)
    assert cases.value(weights) == pytest.approx(ndcg)
    assert replace(cases, metric="hit_rate@10").value(weights) == pytest.approx(hit_rate)
    assert 0.0 < ndcg < hit_rate < 1.0
    step = np.asarray([0.0, 1e-6, 0.0])
    slope = (cases.log_loss(weights + step)[0] - cases.log_loss(weights - step)[0]) / 2e-6
    assert cases.log_loss(weights)[1][1] == pytest.approx(slope, rel=1e-4)


def test_a_hybrid_is_as_good_as_its_best_source_where_likelihood_is_not() -> None:
    """The first source is right in six lists of ten and far off in the others; the second never quite right."""
    size, num = 20, 10
    first = np.tile(np.linspace(0.0, 0.9, size), (num, 1))
    second = np.tile(np.linspace(0.0, 1.0, size), (num, 1))
    first[:6, 0], first[6:, 0], second[:, 0] = 1.0, -20.0, 0.55
    starts = np.arange(num) * size
    cases = Cases(np.stack([first.ravel(), second.ravel()], axis=1), starts, starts, np.full(num, 1 / num))
    assert cases.value(np.asarray([1.0, 0.0])) == pytest.approx(0.6)
    assert cases.value(likeliest(cases)) < 0.3
    assert cases.value(best_weights(cases, 2)) >= 0.6


def test_sources_are_trained_as_the_hybrid_says() -> None:
    settings = ["split.protocol=time", "seed=5", "features.user_buckets=3", "features.word_buckets=7"]
    hybrid = load_recipe("hybrid", settings)
    made = source_recipe("two_tower", hybrid)
    assert (made.split.protocol, made.seed) == ("time", 5)
    assert (made.features.user_buckets, made.features.word_buckets) == (3, 7)
    assert not made.training.refit  # the hybrid sees to it
    assert made.features.history_length == load_recipe("two_tower").features.history_length


@pytest.mark.parametrize("name", ["ranker", "hybrid"])
def test_what_finds_no_candidates_is_no_source(name: str) -> None:
    with pytest.raises(ConfigError, match=rf"{name} cannot be a source"):
        source_recipe(name, Recipe("hybrid", HybridConfig()))


def test_a_recipe_file_is_a_source_by_its_name_without_its_folder(tmp_path: Path) -> None:
    path = tmp_path / "near.json"
    path.write_text('{"name": "x", "model": {"kind": "item_knn", "num_neighbours": 7}}')
    sources = source_recipes(["als", str(path)], load_recipe("hybrid"))
    assert list(sources) == ["als", "near"]
    assert sources["near"].model == ItemKnnConfig(num_neighbours=7)


def test_two_sources_of_one_name_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "als.json"
    path.write_text('{"name": "mine", "model": {"kind": "als"}}')
    with pytest.raises(ConfigError, match="two sources called 'als'"):
        source_recipes(["als", str(path)], load_recipe("hybrid"))
