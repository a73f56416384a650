"""Secrets from files, keys that are asked for, and a listing that tells none of them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from cluster.access.api_keys import Rates
from cluster.commands.settings import main
from cluster.settings import Settings
from models.errors import ConfigError


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("SHOAL_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("SHOAL_HOME", str(tmp_path))


def test_a_secret_may_come_from_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "store").write_text("redis://:pass@redis:6379/0\n")
    (tmp_path / "keys").write_text("one\ntwo, three\n\n")
    monkeypatch.setenv("SHOAL_STORE_FILE", str(tmp_path / "store"))
    monkeypatch.setenv("SHOAL_API_KEYS_FILE", str(tmp_path / "keys"))
    monkeypatch.setenv("SHOAL_STORE", "")  # as a manifest may leave it
    settings = Settings(host="0.0.0.0")
    assert settings.store_url == "redis://:pass@redis:6379/0"
    assert settings.api_key_list == ("one", "two", "three")
    settings.check_listen()


def test_a_secret_given_twice_or_not_readable_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOAL_STORE_FILE", str(tmp_path / "nothing"))
    with pytest.raises(ConfigError, match=r"SHOAL_STORE_FILE names '.*nothing', which cannot be read \(No such file"):
        Settings()
    (tmp_path / "nothing").write_bytes(b"\xff")
    with pytest.raises(ConfigError, match="not UTF-8"):
        Settings()
    monkeypatch.setenv("SHOAL_STORE", "sqlite:///x")
    with pytest.raises(ConfigError, match="both SHOAL_STORE and SHOAL_STORE_FILE are set"):
        Settings()


def test_the_listing_masks_secrets_wherever_they_come_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "secret").write_text("hunter2")
    monkeypatch.setenv("SHOAL_API_KEYS_FILE", str(tmp_path / "secret"))
    monkeypatch.setenv("SHOAL_STORE", "redis://:swordfish@redis:6379/0")
    assert main([]) == 0
    shown = capsys.readouterr().out
    assert "hunter2" not in shown
    assert "swordfish" not in shown
    assert "SHOAL_API_KEYS=**********\n" in shown
    assert "Or from a file: SHOAL_STORE_FILE." in shown
    assert shown.count("Or from a file") == 4


def test_a_keys_file_is_a_list_of_keys_even_an_empty_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="without a key"):
        Settings(host="0.0.0.0").check_listen()
    (tmp_path / "keys.json").write_text('{"keys": []}')
    Settings(host="0.0.0.0").check_listen()


def test_limits_have_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOAL_REQUESTS_PER_S", "20")
    monkeypatch.setenv("SHOAL_EVENTS_BURST", "1000")
    assert Settings().rates == Rates(requests_per_s=20, events_per_s=0, events_burst=1_000)
    key = Rates(requests_per_s=0, events_per_s=5)
    assert key.over(Settings().rates) == Rates(requests_per_s=0, events_per_s=5, events_burst=1_000)
    monkeypatch.setenv("SHOAL_MAX_CLOCK_SKEW_S", "86401")
    with pytest.raises(ConfigError, match="SHOAL_MAX_CLOCK_SKEW_S"):
        Settings()
