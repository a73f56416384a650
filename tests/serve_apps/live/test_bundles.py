"""Replicas follow the registry; what does not load is refused and the old one goes on."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from cluster.registry import Registry
from models.errors import NotFoundError
from serve_apps.live.bundles import POLL_S, LiveBundles
from tests.serve_apps.sample_bundle import publish


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    registry = Registry(str(tmp_path / "registry"))
    publish(registry, "v1")
    publish(registry, "v2", seed=2)
    registry.promote("v1")
    return registry


@pytest.fixture
def bundles(registry: Registry) -> Iterator[LiveBundles]:
    bundles = LiveBundles(registry.uri)
    yield bundles
    bundles.close()


def _becomes(bundles: LiveBundles, version: str) -> bool:
    deadline = time.monotonic() + 5 * POLL_S
    while bundles.champion.version != version and time.monotonic() < deadline:
        time.sleep(0.02)
    return bundles.champion.version == version


def test_without_a_champion_it_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="Train and publish one"):
        LiveBundles(str(tmp_path))


@pytest.mark.slow
def test_promote_and_rollback_are_followed_and_the_one_before_stays(registry: Registry, bundles: LiveBundles) -> None:
    before = bundles.champion
    registry.promote("v2")
    assert _becomes(bundles, "v2")
    assert asyncio.run(bundles.get("v1")) is before
    registry.rollback()
    assert _becomes(bundles, "v1")


@pytest.mark.slow
def test_a_damaged_bundle_is_refused_and_the_next_good_one_taken(registry: Registry, bundles: LiveBundles) -> None:
    registry.promote("v2")
    weights = Path(registry.uri) / "bundles" / "v2" / "two_tower.safetensors"
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(data)
    time.sleep(2.5 * POLL_S)
    assert bundles.champion.version == "v1"
    publish(registry, "v3", seed=3)
    registry.promote("v3")
    assert _becomes(bundles, "v3")


@pytest.mark.slow
def test_an_unreadable_registry_is_looked_at_again(registry: Registry, bundles: LiveBundles) -> None:
    alias = Path(registry.uri) / "champion.json"
    whole = alias.read_bytes()
    alias.write_bytes(b"{")
    time.sleep(1.5 * POLL_S)
    assert bundles.champion.version == "v1"
    alias.write_bytes(whole.replace(b"v1", b"v2"))
    assert _becomes(bundles, "v2")


def test_pinned_versions_stay_loaded(registry: Registry) -> None:
    publish(registry, "v3", seed=3)
    bundles = LiveBundles(registry.uri, pinned=("v2",))
    pinned = asyncio.run(bundles.get("v2"))
    registry.promote("v3")
    assert _becomes(bundles, "v3")
    assert asyncio.run(bundles.get("v2")) is pinned
    bundles.close()
    with pytest.raises(NotFoundError, match="'v9'"):
        LiveBundles(registry.uri, pinned=("v9",))
