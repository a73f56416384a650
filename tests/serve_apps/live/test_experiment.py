"""The experiments file is followed: a change acts without a restart, a broken one does not."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from models.experiments import load_experiment
from serve_apps.live.bundles import LiveBundles
from serve_apps.live.experiment import LOOK_S, LiveExperiment, follow_pins
from tests.serve_apps.conftest import Serve

PATIENCE_S = 60.0
"""Of a loaded machine; on a quiet one a second or two."""
ONE = 'salt = "s"\n[[variants]]\nname = "{name}"\nweight = 1\n'
PINNED = ONE + 'version = "{version}"\n'


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "experiments.toml"
    path.write_text(ONE.format(name="first"))
    return path


def _write(path: Path, text: str) -> None:
    aside = path.with_suffix(".new")
    aside.write_text(text)
    aside.rename(path)


@pytest.mark.slow
def test_a_change_acts_without_a_restart_and_its_bundle_is_loaded_before(
    serve: Serve, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    server = serve(experiment=load_experiment(path), experiments=path)
    answer = server.home("u1")
    assert (answer["variant"], answer["model_version"]) == ("first", "v1")
    _write(path, "salt = ")
    deadline = time.monotonic() + PATIENCE_S
    while caplog.text.count("is not TOML") < 1 and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(1.5 * LOOK_S)
    assert caplog.text.count("is not TOML") == 1
    assert server.home("u1")["variant"] == "first"
    _write(path, PINNED.format(name="second", version="v2"))
    deadline = time.monotonic() + PATIENCE_S
    while server.home("u1")["variant"] != "second" and time.monotonic() < deadline:
        time.sleep(0.05)
    answer = server.home("u1")
    assert (answer["variant"], answer["model_version"], answer["fallback"]) == ("second", "v2", None)
    assert {end for name, end in server.measures.stages if name == "load"} == {"ok"}


@pytest.mark.slow
def test_what_is_new_is_loaded_before_it_is_current_and_what_is_old_is_let_go(
    sample_registry: str, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("serve_apps.live.bundles.IN_USE_S", 1.0)
    bundles = LiveBundles(sample_registry, idle_s=0.0)
    live = LiveExperiment(load_experiment(path), bundles, path)
    _write(path, PINNED.format(name="second", version="v2"))
    deadline = time.monotonic() + PATIENCE_S
    while live.current.variants[0].name == "first" and time.monotonic() < deadline:
        time.sleep(0.001)
    assert live.current.pinned == ("v2",)
    assert bundles.held("v2") is not None
    time.sleep(2.5)
    assert bundles.held("v2") is not None  # pinned, however idle
    _write(path, ONE.format(name="third"))
    deadline = time.monotonic() + PATIENCE_S
    while len(bundles.loaded) > 1 and time.monotonic() < deadline:
        time.sleep(0.05)
    assert [bundle.version for bundle in bundles.loaded] == ["v1"]
    live.close()
    bundles.close()


def test_a_version_that_is_nowhere_leaves_its_variant_to_the_champion(serve: Serve, path: Path) -> None:
    _write(path, PINNED.format(name="lost", version="v9"))
    answer = serve(experiment=load_experiment(path), experiments=path).home("u1")
    assert (answer["variant"], answer["model_version"], answer["fallback"]) == ("lost", "v1", None)


def test_tiers_hold_what_the_file_pins(sample_registry: str, path: Path) -> None:
    _write(path, PINNED.format(name="second", version="v2"))
    bundles = LiveBundles(sample_registry)
    file = follow_pins(path, bundles)
    assert file is not None
    assert bundles.held("v2") is not None
    assert follow_pins(None, bundles) is None
    file.close()
    bundles.close()
