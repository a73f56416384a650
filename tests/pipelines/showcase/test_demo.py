"""The demo keeps to its own folder, whatever the environment and the folder say."""

from __future__ import annotations

from pathlib import Path

import pytest

from models.errors import InputError
from pipelines.showcase.demo import fresh


def test_settings_of_other_places_do_not_reach_the_demo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "SHOAL_HOME": "/elsewhere",
        "SHOAL_LAKE": "s3://shop/lake",
        "SHOAL_REGISTRY": "s3://shop/registry",
        "SHOAL_RUNS": "s3://shop/runs",
        "SHOAL_STORE": "redis://shop:6379/0",
        "SHOAL_API_KEYS": "a-key",
        "SHOAL_SEED": "7",
    }.items():
        monkeypatch.setenv(name, value)
    home = tmp_path / "demo"
    settings = fresh(home)
    assert settings.lake_uri == str(home / "lake")
    assert settings.registry_uri == str(home / "registry")
    assert settings.runs_uri == str(home / "runs")
    assert settings.store_url == f"sqlite:///{home}/online.db"
    assert settings.api_key_list == ()
    assert settings.seed == 7


def test_a_folder_of_somebody_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(InputError, match="not of a demo"):
        fresh(tmp_path)
    assert (tmp_path / "thesis.tex").exists()


def test_the_folder_of_a_demo_is_emptied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOAL_HOME", "/elsewhere")
    home = tmp_path / "demo"
    fresh(home)
    (home / "old").write_text("from the run before")
    fresh(home)
    assert not (home / "old").exists()
