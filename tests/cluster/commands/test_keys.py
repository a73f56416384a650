"""`shoal keys` over a real file: a key is shown once, only its hash is kept, and changes at once lose nothing."""

from __future__ import annotations

import hashlib
import json
import re
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from cluster.access.api_keys import ApiKey, KeyList, Role, Secret, key_hash, make_key
from cluster.access.keys_file import change_keys, read_keys
from cluster.commands.keys import main
from cluster.settings import Settings
from models.errors import ConfigError

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the command keeps its keys when nothing else is said."""
    monkeypatch.delenv("SHOAL_KEYS_FILE", raising=False)
    monkeypatch.setenv("SHOAL_HOME", str(tmp_path / "home"))
    return tmp_path / "home" / "keys.json"


def _run(capsys: Capture, *argv: str) -> str:
    capsys.readouterr()
    assert main(argv) == 0
    return capsys.readouterr().out.strip()


def _refused(capsys: Capture, *argv: str) -> str:
    assert main(argv) == 2
    return capsys.readouterr().err


def test_a_new_key_is_shown_once_and_kept_as_a_hash(path: Path, capsys: Capture) -> None:
    key = _run(capsys, "add", "--name", "shop", "--role", "write", "--expires", "90d", "--events-per-s", "50")
    assert re.fullmatch(r"shoal_[A-Za-z0-9_-]{43}", key)
    assert path.stat().st_mode & 0o777 == 0o600
    assert key not in path.read_text()
    kept = read_keys(path).get("shop")
    [secret] = kept.secrets
    assert secret.sha256 == hashlib.sha256(key.encode()).hexdigest()
    assert (kept.roles, kept.rates.events_per_s) == ({Role.WRITE}, 50)
    assert secret.expires is not None
    assert abs(secret.expires - datetime.now(UTC) - timedelta(days=90)) < timedelta(minutes=1)
    listed = _run(capsys, "list")
    assert key not in listed
    assert secret.sha256 not in listed
    assert re.search(r"^shop +write .* events_per_s=50$", listed, re.MULTILINE)


def test_a_key_may_have_several_roles(path: Path, capsys: Capture) -> None:
    _run(capsys, "add", "--name", "app", "--role", "write", "--role", "read")
    assert json.loads(path.read_text())["keys"][0]["roles"] == ["read", "write"]


def test_a_rotation_leaves_the_old_key_its_grace(path: Path, capsys: Capture) -> None:
    old = _run(capsys, "add", "--name", "shop", "--role", "write", "--expires", "90d", "--requests-per-s", "5")
    new = _run(capsys, "rotate", "shop", "--grace", "1h")
    kept = read_keys(path).get("shop")
    assert [secret.sha256 for secret in kept.secrets] == [key_hash(old), key_hash(new)]
    ends = [secret.expires for secret in kept.secrets]
    now = datetime.now(UTC)
    for end, life in zip(ends, (timedelta(hours=1), timedelta(days=90)), strict=True):
        assert end is not None
        assert abs(end - now - life) < timedelta(minutes=1)
    assert (kept.roles, kept.rates.requests_per_s) == ({Role.WRITE}, 5)
    third = _run(capsys, "rotate", "shop", "--grace", "0s")
    assert [secret.sha256 for secret in read_keys(path).get("shop").secrets] == [key_hash(third)]


def test_a_grace_never_lengthens_a_life() -> None:
    now = datetime(2026, 1, 31, tzinfo=UTC)
    old, dead = (
        Secret(sha256=key_hash(make_key()), created=now, expires=now + life)
        for life in (timedelta(minutes=5), timedelta(0))
    )
    fresh = Secret(sha256=key_hash(make_key()), created=now)
    key = ApiKey(name="shop", roles=frozenset({Role.READ}), secrets=(dead, old))
    assert key.rotated(fresh, timedelta(hours=1)).secrets == (old, fresh)


def test_a_revoked_key_is_gone(path: Path, capsys: Capture) -> None:
    _run(capsys, "add", "--name", "shop", "--role", "write")
    _run(capsys, "add", "--name", "site", "--role", "read")
    _run(capsys, "revoke", "shop")
    assert [key.name for key in read_keys(path).keys] == ["site"]
    assert "there is no key named 'shop'. There are: site." in _refused(capsys, "revoke", "shop")
    assert "no key named 'shop'" in _refused(capsys, "rotate", "shop")


def test_an_empty_list_says_how_to_make_one(path: Path, capsys: Capture) -> None:
    assert _run(capsys, "list") == f"no key in {path}. Make one: shoal keys add --name shop --role write"


def test_what_is_wrong_is_said_and_changes_nothing(path: Path, capsys: Capture) -> None:
    _run(capsys, "add", "--name", "shop", "--role", "write")
    before = path.read_bytes()
    assert "already" in _refused(capsys, "add", "--name", "shop", "--role", "read")
    assert "--name is wrong" in _refused(capsys, "add", "--name", "a shop", "--role", "read")
    assert "--requests-per-s is wrong" in _refused(
        capsys, "add", "--name", "x", "--role", "read", "--requests-per-s", "-1"
    )
    for argv in (
        ["add", "--name", "x", "--role", "owner"],
        ["add", "--name", "x", "--role", ""],
        ["add", "--name", "x"],
        ["rotate", "shop", "--grace", "1 hour"],
        ["rotate", "shop", "--grace", "99999999d"],
    ):
        with pytest.raises(SystemExit) as stop:
            main(argv)
        assert stop.value.code == 2
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "is wrong at the file: Invalid JSON"),
        ('{"keys": [{"name": "shop"}]}', "is wrong at keys.0.roles: Field required"),
        ('{"version": 2}', "is wrong at version"),
        ('{"key": []}', "is wrong at key: Extra inputs"),
    ],
)
def test_a_broken_file_is_left_as_it_is(path: Path, capsys: Capture, text: str, message: str) -> None:
    path.parent.mkdir()
    path.write_text(text)
    assert message in _refused(capsys, "add", "--name", "x", "--role", "read")
    assert path.read_text() == text


def test_an_error_shows_no_key_that_was_put_into_the_file(path: Path) -> None:
    path.parent.mkdir()
    secret = {"sha256": "shoal_plain-key", "created": "2026-01-31T00:00:00Z"}
    path.write_text(json.dumps({"keys": [{"name": "shop", "roles": ["read"], "secrets": [secret]}]}))
    with pytest.raises(ConfigError, match=r"keys\.0\.secrets\.0\.sha256") as refused:
        read_keys(path)
    assert "plain-key" not in str(refused.value)


def test_names_and_hashes_are_unique() -> None:
    secret = Secret(sha256="0" * 64, created=datetime.now(UTC))
    one, other = (ApiKey(name=name, roles=frozenset({Role.READ}), secrets=(secret,)) for name in ("one", "other"))
    for keys, message in (((one, one), "the name one stands 2 times"), ((one, other), "the hash 0{64} stands 2 times")):
        with pytest.raises(ValueError, match=message):
            KeyList(keys=keys)


def test_changes_at_once_are_all_kept_and_a_link_stays_one(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    link = tmp_path / "keys.json"
    link.symlink_to(tmp_path / "real" / "keys.json")

    def add(number: int) -> None:
        secret = Secret(sha256=key_hash(make_key()), created=datetime.now(UTC))
        key = ApiKey(name=f"k{number}", roles=frozenset({Role.READ}), secrets=(secret,))
        change_keys(link, lambda keys: keys.added(key))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(add, range(16)))
    assert {key.name for key in read_keys(link).keys} == {f"k{number}" for number in range(16)}
    assert link.is_symlink()


def test_the_permissions_of_the_file_stay(path: Path, capsys: Capture) -> None:
    _run(capsys, "add", "--name", "shop", "--role", "write")
    path.chmod(0o640)
    _run(capsys, "rotate", "shop")
    assert path.stat().st_mode & 0o777 == 0o640


def test_another_file_by_setting_and_by_option(path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    other, third = path.parent / "other.json", path.parent / "third.json"
    monkeypatch.setenv("SHOAL_KEYS_FILE", str(other))
    assert Settings().keys_path == other
    _run(capsys, "add", "--name", "a", "--role", "read")
    _run(capsys, "add", "--name", "b", "--role", "read", "--file", str(third))
    assert [read_keys(file).keys[0].name for file in (other, third)] == ["a", "b"]
    assert not path.exists()
