"""The master key: where it comes from, who may read it, and what is made of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from cluster.privacy.keys import PrivacyKeys, load_keys
from cluster.settings import Settings
from models.errors import ConfigError

KEYS = PrivacyKeys(b"k" * 32)


@pytest.fixture(autouse=True)
def _no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOAL_PRIVACY_KEY", "")


def test_the_file_is_made_once_and_for_its_owner_alone(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path / "home")
    first, again = load_keys(settings), load_keys(settings)
    path = tmp_path / "home" / "privacy.key"
    assert path.stat().st_mode & 0o777 == 0o600
    assert first.subject("ann") == again.subject("ann")
    assert list(path.parent.iterdir()) == [path]


def test_a_file_that_others_may_read_is_refused(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    load_keys(settings)
    (tmp_path / "privacy.key").chmod(0o644)
    with pytest.raises(ConfigError, match="may be read by others"):
        load_keys(settings)


@pytest.mark.parametrize("text", ["ab", "zz" * 32, "ab" * 33])
def test_what_is_no_key_is_refused_without_showing_it(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigError, match="SHOAL_PRIVACY_KEY is no key: 64 hexadecimal") as error:
        load_keys(Settings(home=tmp_path, privacy_key=text))
    assert text * 2 not in str(error.value)
    assert list(tmp_path.iterdir()) == []


def test_a_given_key_makes_no_file(tmp_path: Path) -> None:
    keys = load_keys(Settings(home=tmp_path, privacy_key="6b" * 32))
    assert keys.subject("ann") == KEYS.subject("ann")
    assert list(tmp_path.iterdir()) == []


def test_a_subject_needs_the_key_and_tells_users_apart() -> None:
    assert len(KEYS.subject("ann")) == 16
    assert KEYS.subject("ann") != KEYS.subject("anna")
    assert KEYS.subject("ann") != PrivacyKeys(b"l" * 32).subject("ann")


def test_what_is_sealed_opens_for_its_purpose_and_owner_alone() -> None:
    sealed = KEYS.seal("letters", b"hello", b"ann")
    assert KEYS.open("letters", sealed, b"ann") == b"hello"
    assert b"hello" not in sealed
    assert KEYS.seal("letters", b"hello", b"ann") != sealed
    for keys, purpose, about in (
        (KEYS, "other", b"ann"),
        (KEYS, "letters", b"bob"),
        (PrivacyKeys(b"l" * 32), "letters", b"ann"),
    ):
        with pytest.raises(ConfigError, match="another privacy key, or altered"):
            keys.open(purpose, sealed, about)


def test_the_key_is_not_in_the_text_of_settings_or_keys(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, privacy_key="6b" * 32)
    assert "6b6b" not in repr(settings) + str(settings.privacy_key) + repr(load_keys(settings))
