"""What each feature of the towers is there for, in worlds where it alone decides; without it the answer is lost."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
import torch

from models.features import FeatureSpec, ItemFeatures, UserBatch, item_features, no_profiles
from models.index.arrays import Vectors
from models.model_config import TableSizes, TwoTowerConfig
from models.nets.two_tower import TwoTower
from models.retrievers.two_tower import TwoTowerEncoder
from models.seeds import generator
from pipelines.learning.data.examples import Examples
from pipelines.learning.data.known import Known
from pipelines.learning.objectives.two_tower import TwoTowerObjective

pytestmark = pytest.mark.slow

NUM_USERS, NUM_ITEMS, COLD = 40, 200, 2
HALF = NUM_ITEMS // 2
SPEC = FeatureSpec(history_length=3, recent_length=1)
SIZES = TableSizes.of(SPEC, NUM_USERS, NUM_ITEMS + COLD)
CONFIG = TwoTowerConfig(embedding_dim=8, tower="sum", unknown_share=0.5)
DAY_US = 86_400_000_000
TITLES = [f"{'war' if n < HALF else 'love'} {n:03}" for n in range(NUM_ITEMS)] + ["War", "Love"]
"""The first half of the items is of one kind, the next of the other; the last two nobody has turned to, one of each."""


def catalogue(titles: list[str] | None) -> ItemFeatures:
    counts = np.asarray([2] * NUM_ITEMS + [0] * COLD)
    named = None if titles is None else pl.Series(titles)
    return item_features(SPEC, [[] for _ in counts], counts, np.full(len(counts), -1), named)


def examples(profile: np.ndarray, now_us: np.ndarray) -> Examples:
    """Each of the users turns to ten items of their kind, which is that of their number, without a history."""
    user, step = (grid.ravel() for grid in np.mgrid[:NUM_USERS, :10])
    items = HALF * (user % 2) + (user // 2 + 11 * step) % HALF
    nothing = np.full((len(user), SPEC.history_length), -1, np.int32)
    users = UserBatch(user, np.zeros_like(user), nothing, now_us[user], profile[user])
    return Examples(users, items)


def trained(log: Examples, features: ItemFeatures, epochs: int = 40) -> TwoTower:
    torch.manual_seed(3)
    counts = np.bincount(log.items, minlength=NUM_ITEMS + COLD)
    objective = TwoTowerObjective(CONFIG, Known(SIZES, features, counts, SPEC))
    net = objective.build("cpu")
    optimizer = torch.optim.Adam(net.parameters(), lr=0.02)
    rng = generator(1, "negatives")
    for _ in range(epochs):
        for at in np.split(rng.permutation(len(log)), 4):
            optimizer.zero_grad()
            objective.losses(net, objective.inputs(log.take(at), rng)).mean().backward()
            optimizer.step()
    assert isinstance(net, TwoTower)
    return net.eval()


def scores(net: TwoTower, users: UserBatch, features: ItemFeatures) -> Vectors:
    """[num_users, num_items]."""
    encoder = TwoTowerEncoder(net, SPEC)
    return encoder.encode(users) @ encoder.encode_items(features).T


def newcomers(profile: np.ndarray, now_us: np.ndarray) -> UserBatch:
    """Two users whom the training did not see, on one of the reserved rows."""
    nothing = np.full((2, SPEC.history_length), -1, np.int32)
    return UserBatch(np.full(2, NUM_USERS), np.zeros(2, np.int64), nothing, now_us, profile)


def of_their_kind(made: Vectors) -> bool:
    """True when the first ranks every item of one kind above the other kind's, and the second the other way."""
    one, other = made[:, :HALF], made[:, HALF:NUM_ITEMS]
    return bool(one[0].min() > other[0].max() and other[1].min() > one[1].max())


def test_an_attribute_alone_decides_what_a_newcomer_gets() -> None:
    kinds = SPEC.profiles([{"kind": "a"}, {"kind": "b"}])
    profile, untimed = kinds[np.arange(NUM_USERS) % 2], np.zeros(NUM_USERS, np.int64)
    features = catalogue(None)
    net = trained(examples(profile, untimed), features)
    strangers = newcomers(kinds, untimed[:2])
    assert of_their_kind(scores(net, strangers, features))
    assert (net.reads("profile"), net.reads("moment")) == (True, False)
    without = trained(examples(no_profiles(NUM_USERS), untimed), features)
    assert not of_their_kind(scores(without, strangers, features))
    assert not TwoTowerEncoder(without, SPEC).reads_profiles


def test_the_hour_alone_decides_what_a_newcomer_gets() -> None:
    nobody = no_profiles(NUM_USERS)
    morning, evening = 20_000 * DAY_US + 8 * DAY_US // 24, 20_000 * DAY_US + 20 * DAY_US // 24
    at = np.where(np.arange(NUM_USERS) % 2 == 0, morning, evening)
    features = catalogue(None)
    net = trained(examples(nobody, at), features)
    next_day = np.asarray([morning, evening]) + DAY_US
    assert of_their_kind(scores(net, newcomers(nobody[:2], next_day), features))
    assert not of_their_kind(scores(net, newcomers(nobody[:2], np.zeros(2, np.int64)), features))


def test_title_words_place_an_item_that_nobody_has_turned_to() -> None:
    kinds = SPEC.profiles([{"kind": "a"}, {"kind": "b"}])
    log = examples(kinds[np.arange(NUM_USERS) % 2], np.zeros(NUM_USERS, np.int64))

    def cold_scores(features: ItemFeatures) -> Vectors:
        return scores(trained(log, features, 15), newcomers(kinds, np.zeros(2, np.int64)), features)

    with_titles, without = cold_scores(catalogue(TITLES)), cold_scores(catalogue(None))
    war, love = NUM_ITEMS, NUM_ITEMS + 1
    assert with_titles[0, war] > with_titles[0, love]
    assert with_titles[1, love] > with_titles[1, war]
    # The cold item of one's own kind lies above everything of the other kind.
    assert with_titles[0, war] > with_titles[0, HALF:NUM_ITEMS].max()
    assert with_titles[1, love] > with_titles[1, :HALF].max()
    assert not (without[0, war] > without[0, HALF:NUM_ITEMS].max() and without[1, love] > without[1, :HALF].max())


def test_a_side_of_which_nothing_is_known_has_a_gradient_that_others_can_live_with() -> None:
    features = catalogue(None)
    log = examples(no_profiles(NUM_USERS), np.zeros(NUM_USERS, np.int64))
    objective = TwoTowerObjective(CONFIG, Known(SIZES, features, np.ones(NUM_ITEMS + COLD, np.int64), SPEC))
    net = objective.build("cpu")
    inputs = objective.inputs(log.take(slice(0, 32)), generator(1, "negatives"))
    objective.losses(net, inputs).mean().backward()
    gradient = net.user_tower.gates.grad
    assert 0 < gradient.abs().max() < 1_000


def test_users_taken_as_unknown_keep_what_is_known_of_newcomers_too() -> None:
    log = examples(SPEC.profiles([{"kind": "a"}] * NUM_USERS), np.full(NUM_USERS, DAY_US))
    objective = TwoTowerObjective(
        replace(CONFIG, unknown_share=1.0), Known(SIZES, catalogue(None), np.ones(NUM_ITEMS + COLD, np.int64), SPEC)
    )
    looked_up = objective.inputs(log, generator(1, "unknown")).features.to_dict()
    assert looked_up["user"].values().min() >= NUM_USERS
    assert looked_up["profile"].lengths().tolist() == [1] * len(log)
    assert looked_up["moment"].lengths().tolist() == [2] * len(log)
