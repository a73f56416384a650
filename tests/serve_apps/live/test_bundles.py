"""Replicas follow the registry; what does not load is refused and the old one goes on."""

from __future__ import annotations

import asyncio
import gc
import time
import weakref
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from cluster.online import catalogue
from cluster.online.store import open_store
from cluster.registry import Registry
from models.catalogue_entries import Kind, parse_entry
from models.errors import BundleError, NotFoundError, StoreError
from models.manifest import MANIFEST
from models.user_state import UserState
from serve_apps.live.bundles import MAX_OTHERS, POLL_S, LiveBundles
from serve_apps.live.catalogue import LiveCatalogue
from tests.serve_apps.conftest import Counted
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


@pytest.fixture
def briefly(monkeypatch: pytest.MonkeyPatch) -> None:
    """What nobody has asked for is in use for a second, instead of ten."""
    monkeypatch.setattr("serve_apps.live.bundles.IN_USE_S", POLL_S)


def _held(bundles: LiveBundles) -> set[str]:
    """Versions in memory; to look here counts as no use."""
    return {bundle.version for bundle in bundles.loaded}


def _becomes(bundles: LiveBundles, version: str) -> bool:
    deadline = time.monotonic() + 60 * POLL_S
    while bundles.champion.version != version and time.monotonic() < deadline:
        time.sleep(0.02)
    return bundles.champion.version == version


def test_without_a_champion_it_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="Train and publish one"):
        LiveBundles(str(tmp_path))


def _wait(until: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60 * POLL_S  # patience: other tests may share the machine
    while not until() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert until()


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
    _damage(registry, "v2")
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


def _damage(registry: Registry, version: str) -> None:
    weights = Path(registry.uri) / "bundles" / version / "two_tower.safetensors"
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(data)


def test_a_pinned_version_that_is_damaged_or_missing_is_refused_and_the_champion_answers_for_it(
    registry: Registry, caplog: pytest.LogCaptureFixture
) -> None:
    publish(registry, "v3", seed=3)
    _damage(registry, "v2")
    bundles = LiveBundles(registry.uri, pinned=("v2", "v3", "v9"))
    assert [bundles.answering(version) for version in (None, "v2", "v3", "v9")] == ["v1", "v1", "v3", "v1"]
    assert "two_tower.safetensors was altered" in caplog.text
    assert "no version 'v9'" in caplog.text
    with pytest.raises(BundleError, match="refused a moment ago"):
        asyncio.run(bundles.get("v2"))
    bundles.close()


@pytest.mark.slow
@pytest.mark.usefixtures("briefly")
def test_what_is_neither_champion_nor_pinned_goes_when_it_is_idle(registry: Registry) -> None:
    publish(registry, "v3", seed=3)
    measures = Counted()
    bundles = LiveBundles(registry.uri, pinned=("v2",), measures=measures, idle_s=0.5)
    asyncio.run(bundles.get("v3"))
    assert set(measures.bundles) == {"v1", "v2", "v3"}
    _wait(lambda: set(measures.bundles) == {"v1", "v2"})
    assert bundles.held("v3") is None
    assert asyncio.run(bundles.get("v3")).version == "v3"  # and comes back when it is asked for
    bundles.pin(["v3"])
    _wait(lambda: "v2" not in measures.bundles)
    assert bundles.held("v3") is not None
    bundles.close()


@pytest.mark.slow
def test_a_version_that_is_only_looked_at_is_in_use(registry: Registry) -> None:
    bundles = LiveBundles(registry.uri, idle_s=2 * POLL_S)
    asyncio.run(bundles.get("v2"))
    until = time.monotonic() + 4.5 * POLL_S
    while time.monotonic() < until:
        assert bundles.held("v2") is not None
        time.sleep(0.1)
    bundles.close()


@pytest.mark.slow
@pytest.mark.usefixtures("briefly")
def test_no_more_than_a_few_others_are_held(registry: Registry) -> None:
    others = [f"v{n}" for n in range(3, 7)]
    for n, version in enumerate(others):
        publish(registry, version, seed=3 + n)
    bundles = LiveBundles(registry.uri)
    for version in others:
        asyncio.run(bundles.get(version))
    _wait(lambda: len(bundles.loaded) == 1 + MAX_OTHERS)
    assert _held(bundles) == {"v1", *others[-MAX_OTHERS:]}
    bundles.close()


def _mapped(registry: Registry, version: str) -> bool:
    return f"{registry.uri}/bundles/{version}/index.faiss" in Path("/proc/self/maps").read_text()


@pytest.mark.slow
@pytest.mark.usefixtures("briefly")
def test_a_bundle_that_was_replaced_frees_its_memory_and_its_files(registry: Registry, tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path / 'online.db'}")
    live, bundles = LiveCatalogue(store.catalogue), LiveBundles(registry.uri, idle_s=0.0)
    bundles.before_each(live.prepare)
    before = weakref.ref(bundles.champion)
    seen = [weakref.ref(live.view(bundles.champion)), weakref.ref(live.texts(bundles.champion))]
    assert _mapped(registry, "v1")
    registry.promote("v2")
    _wait(lambda: _held(bundles) == {"v2"})
    _wait(lambda: gc.collect() >= 0 and before() is None)
    assert [ref() for ref in seen] == [None, None]
    assert not _mapped(registry, "v1")
    assert _mapped(registry, "v2")
    bundles.close()
    live.close()
    store.close()


def test_a_bundle_waits_until_it_is_known_what_was_withdrawn(
    registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = open_store(f"sqlite:///{tmp_path / 'online.db'}")
    live, bundles = LiveCatalogue(store.catalogue), LiveBundles(registry.uri)
    bundles.before_each(live.prepare)
    catalogue.put(store.catalogue, Kind.ITEM, [("i7", parse_entry(Kind.ITEM, {"available": False}))])

    def down(kind: Kind) -> int:
        raise StoreError("the store does not answer")

    with monkeypatch.context() as patch:
        patch.setattr(store.catalogue, "version", down)
        with pytest.raises(StoreError):
            asyncio.run(bundles.get("v2"))
        registry.promote("v2")
        time.sleep(1.5 * POLL_S)
        assert (bundles.champion.version, bundles.held("v2")) == ("v1", None)
    assert _becomes(bundles, "v2")
    assert not live.view(bundles.champion).allows_id("i7", UserState("ann", datetime.now(UTC)))
    bundles.close()
    live.close()
    store.close()


@pytest.mark.slow
def test_what_was_used_a_moment_ago_stays(registry: Registry) -> None:
    others = [f"v{n}" for n in range(2, 4 + MAX_OTHERS)]
    for n, version in enumerate(others[1:]):
        publish(registry, version, seed=3 + n)
    bundles = LiveBundles(registry.uri, idle_s=0.0)
    for version in others:
        asyncio.run(bundles.get(version))
    time.sleep(2.5 * POLL_S)
    assert _held(bundles) == {"v1", *others}
    bundles.close()


def test_what_a_manifest_says_is_measured_when_a_bundle_is_loaded(registry: Registry) -> None:
    measures = Counted()
    bundles = LiveBundles(registry.uri, measures=measures)
    facts = measures.bundles["v1"]
    files = Path(registry.uri) / "bundles" / "v1"
    assert facts.recalls == {"index.faiss": 1.0}
    assert facts.num_bytes == sum(path.stat().st_size for path in files.iterdir() if path.name != MANIFEST)
    assert abs(time.time() - facts.created_s) < 600
    bundles.close()
