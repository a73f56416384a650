"""The world is repeatable, sound, and worth learning from."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray

from models.errors import ConfigError
from models.events import NEGATIVE_TYPES, EventType
from pipelines.synthesis.choices import cumulative, sample
from pipelines.synthesis.config import WorldConfig
from pipelines.synthesis.world import make_world
from pipelines.world import main

END = date(2026, 11, 1)
SMALL = WorldConfig(num_users=200, num_items=150, num_events=8_000, num_days=30, end=END)
FILES = ("users.jsonl", "items.jsonl", "interactions.csv")


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("small")
    make_world(folder, SMALL)
    return folder


@pytest.fixture(scope="module")
def events(small: Path) -> pl.DataFrame:
    return read_events(small)


def read_events(folder: Path) -> pl.DataFrame:
    frame = pl.read_csv(folder / "interactions.csv", schema_overrides={"rating": pl.Float64})
    return frame.with_columns(pl.col("timestamp").str.to_datetime("%Y-%m-%dT%H:%M:%SZ", time_zone="UTC"))


def test_the_same_config_makes_the_same_bytes_and_another_seed_does_not(small: Path, tmp_path: Path) -> None:
    make_world(tmp_path / "again", SMALL)
    make_world(tmp_path / "other", WorldConfig(200, 150, 8_000, 30, seed=1, end=END))
    for name in FILES:
        assert (tmp_path / "again" / name).read_bytes() == (small / name).read_bytes()
        assert (tmp_path / "other" / name).read_bytes() != (small / name).read_bytes()


def test_counts_are_exact_and_every_id_is_known(small: Path, events: pl.DataFrame) -> None:
    users = pl.read_ndjson(small / "users.jsonl")
    items = pl.read_ndjson(small / "items.jsonl")
    assert (len(users), len(items), len(events)) == (200, 150, 8_000)
    assert set(events["user_id"]) <= set(users["user_id"])
    assert set(events["item_id"]) <= set(items["item_id"])
    assert items["title"].is_unique().all()
    assert events.select("user_id", "item_id", "event_type", "timestamp").is_unique().all()


def test_events_lie_in_the_world_and_behind_the_release(small: Path, events: pl.DataFrame) -> None:
    end = datetime(2026, 11, 1, tzinfo=UTC)
    assert events["timestamp"].is_sorted()
    assert events["timestamp"].min() >= end - timedelta(days=30)  # type: ignore[operator]
    assert events["timestamp"].max() < end  # type: ignore[operator]
    items = pl.read_ndjson(small / "items.jsonl").with_columns(pl.col("released").str.to_date())
    joined = events.join(items, on="item_id")
    assert (joined["timestamp"].dt.date() >= joined["released"]).all()


def test_all_kinds_of_events_happen_and_only_ratings_rate(events: pl.DataFrame) -> None:
    assert set(events["event_type"]) == {kind.value for kind in EventType}
    rated = events.filter(pl.col("rating").is_not_null())
    assert set(rated["event_type"]) == {"rating"}
    assert len(rated) == len(events.filter(event_type="rating"))
    assert rated["rating"].is_between(0.5, 5).all()
    clicks, views = len(events.filter(event_type="click")), len(events.filter(event_type="view"))
    assert 0.3 < clicks / views < 0.8


def test_people_choose_what_they_are_known_to_like(small: Path, events: pl.DataFrame) -> None:
    users = {user["user_id"]: user["favourites"] for user in map(json.loads, (small / "users.jsonl").open())}
    items = {item["item_id"]: item["categories"] for item in map(json.loads, (small / "items.jsonl").open())}
    views = events.filter(event_type="view").select("user_id", "item_id").rows()
    chosen = np.mean([bool(set(users[user]) & set(items[item])) for user, item in views])
    shuffled = np.random.default_rng(0).permutation([item for _, item in views])
    by_chance = np.mean(
        [bool(set(users[user]) & set(items[item])) for (user, _), item in zip(views, shuffled, strict=True)]
    )
    assert chosen > 2 * by_chance


@pytest.mark.parametrize("size", [(1, 1, 1, 1), (5, 3, 200, 2), (50, 1, 300, 10)])
def test_tiny_worlds_have_exactly_as_many_events(tmp_path: Path, size: tuple[int, int, int, int]) -> None:
    assert make_world(tmp_path, WorldConfig(*size, end=END)).num_events == size[2]
    assert len(pl.read_csv(tmp_path / "interactions.csv")) == size[2]


def test_sampling_follows_the_softmax() -> None:
    logits = np.log(np.array([[1.0, 2.0, 7.0], [5.0, 0.0, 5.0]], np.float32) + 1e-30).astype(np.float32)
    row = np.repeat([0, 1], 20_000)
    draws = sample(cumulative(logits), row, np.random.default_rng(0).random(40_000))
    shares = [np.bincount(draws[row == r], minlength=3) / 20_000 for r in (0, 1)]
    np.testing.assert_allclose(shares, [[0.1, 0.2, 0.7], [0.5, 0.0, 0.5]], atol=0.012)


@pytest.mark.parametrize("wrong", [{"num_users": 0}, {"noise": 1.5}, {"noise": 0.7, "follow": 0.6}])
def test_a_config_out_of_range_is_an_error(wrong: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        WorldConfig(**wrong)  # type: ignore[arg-type]


def test_the_command_says_what_it_made(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    args = [
        "--out",
        str(tmp_path),
        "--users",
        "20",
        "--items",
        "10",
        "--events",
        "100",
        "--days",
        "5",
        "--end",
        "2026-11-01",
    ]
    assert main(args) == 0
    assert capsys.readouterr().out.startswith("20 users, 10 items, 100 events in ")


@pytest.mark.slow
def test_taste_and_order_can_be_learned(tmp_path: Path) -> None:
    """Last new item of each user, over all items, seen ones masked: what popularity, SVD and a Markov chain reach."""
    make_world(tmp_path, WorldConfig(end=END))
    negative = [kind.value for kind in NEGATIVE_TYPES]
    kept = read_events(tmp_path).filter(~pl.col("event_type").is_in(negative))
    pairs = kept.unique(["user_id", "item_id"], keep="first", maintain_order=True).sort("user_id", maintain_order=True)
    user = pairs["user_id"].rank("dense").to_numpy() - 1
    item = pairs["item_id"].rank("dense").to_numpy() - 1
    last = np.append(user[1:] != user[:-1], True) & (np.bincount(user)[user] >= 3)
    test_users, targets, before = user[last], item[last], item[np.flatnonzero(last) - 1]
    seen = np.zeros((user.max() + 1, item.max() + 1), np.float32)
    seen[user[~last], item[~last]] = 1
    follows = np.zeros((seen.shape[1],) * 2)
    step = np.flatnonzero((user[1:] == user[:-1]) & ~last[1:])
    np.add.at(follows, (item[step], item[step + 1]), 1)

    def hit_rate(scores: NDArray[np.floating]) -> float:
        masked = np.where(seen[test_users] > 0, -np.inf, scores)
        ranks = (masked > masked[np.arange(len(targets)), targets][:, None]).sum(axis=1)
        return float((ranks < 10).mean())

    popular = seen.sum(axis=0)
    factors = np.linalg.eigh(seen.T @ seen)[1][:, -16:]
    popularity = hit_rate(np.tile(popular, (len(targets), 1)))
    svd = hit_rate(seen[test_users] @ factors @ factors.T)
    markov = hit_rate(follows[before] + popular / popular.sum())
    assert popularity > 0.01
    assert svd > 2.5 * popularity
    assert markov > svd
