"""Sources that read a list look at no more of it than they offer from."""

from __future__ import annotations

import asyncio
from pathlib import Path

import numpy as np

from cluster.registry import Registry
from serve_apps.chain.sources.new import NEW_DAYS, newest
from serve_apps.chain.sources.popularity import Popular
from tests.serve_apps.chain.sources.worlds import open_world, somebody
from tests.serve_apps.sample_bundle import publish

DAY_US = 86_400_000_000


def test_the_newest_come_in_pieces_and_none_is_missing() -> None:
    user = somebody([])
    rows = np.random.default_rng(0).permutation(5_000)
    ages_us = np.linspace(2 * NEW_DAYS, -1, 5_000) * DAY_US  # the last are not out yet
    released_us = user.now_us - ages_us.astype(np.int64)
    pieces = list(newest((rows, released_us), user))
    assert [len(piece) for piece in pieces][:2] == [512, 1_024]
    out = (released_us <= user.now_us) & (released_us > user.now_us - NEW_DAYS * DAY_US)
    assert np.concatenate([piece.item_rows for piece in pieces]).tolist() == rows[out][::-1].tolist()
    scores = np.concatenate([piece.scores for piece in pieces])
    assert (np.diff(scores) < 0).all()
    assert 0 <= scores.min() <= scores.max() <= 1


def test_popularity_offers_what_is_listed_alone(tmp_path: Path) -> None:
    registry = Registry(str(tmp_path / "registry"))
    registry.promote(publish(registry, "v1", num_items=260))
    with open_world(tmp_path) as world:
        listed = set(world.recommender.popularity.top(None)[0].tolist())
        unlisted = world.task(somebody([]), "num_interactions <= 50")
        some = world.task(somebody([]), "num_interactions >= 250")
        offers = asyncio.run(Popular().offers(world.batch(unlisted, some)))
        assert len(listed) == 200
        assert [offer.candidates.item_rows.tolist() for offer in offers] == [[], list(range(11))]
