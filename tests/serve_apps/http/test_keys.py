"""Keys of the file over HTTP: roles by route, expiry, rotation while the server runs, a file that breaks."""

from __future__ import annotations

import logging
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from cluster.access.api_keys import ApiKey, KeyList, Rates, Role, Secret, key_hash, make_key
from cluster.access.keys_file import change_keys
from cluster.commands.keys import main as keys_command
from cluster.settings import Settings
from models.errors import ConfigError
from serve_apps.http.access import OPEN_PATHS, RULES, roles_for
from serve_apps.http.door_options import DoorOptions, admin_keys
from serve_apps.http.keys import LiveKeys
from tests.serve_apps.conftest import Serve, Server

pytestmark = pytest.mark.xdist_group("servers")

EVENT = {"user_id": "u1", "item_id": "i1", "event_type": "click"}
HOME = "/api/recommendations/home?user_id=u1"
LOOK_S = 1.05
"""A little more than a running server takes to look at its file."""


class Keys:
    """A keys file and what is in it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def add(self, name: str, *roles: Role, expires: datetime | None = None, rates: Rates | None = None) -> str:
        key = make_key()
        secret = Secret(sha256=key_hash(key), created=datetime.now(UTC), expires=expires)
        made = ApiKey(name=name, roles=frozenset(roles), rates=rates or Rates(), secrets=(secret,))
        change_keys(self.path, lambda keys: keys.added(made))
        return key

    @property
    def door(self) -> DoorOptions:
        return DoorOptions(keys_file=self.path, keys_file_needed=True)


@pytest.fixture
def keys(tmp_path: Path) -> Keys:
    return Keys(tmp_path / "keys.json")


def _status(server: Server, key: str, method: str = "GET", path: str = HOME, **options: Any) -> int:
    return server.http.request(method, path, headers={"X-API-Key": key}, **options).status_code


def test_each_role_opens_its_routes_and_no_others(serve: Serve, keys: Keys) -> None:
    by_role = {role: keys.add(role.value, role) for role in Role}
    both = keys.add("both", Role.READ, Role.WRITE)
    server = serve(door=keys.door, client=("203.0.113.9", 1))
    asked = {
        "row": ("GET", HOME, {}),
        "similar": ("GET", "/api/recommendations/similar?item_id=i1", {}),
        "events": ("POST", "/api/interactions", {"json": EVENT}),
        "feedback": ("POST", "/api/feedback", {"json": {**EVENT, "recommendation_id": "r"}}),
        "health": ("GET", "/api/health", {}),
        "document": ("GET", "/openapi.json", {}),
        "new route": ("DELETE", "/api/nowhere", {}),
        "asked by a body": ("POST", "/api/recommendations/home", {"json": {"user_id": "u1"}}),
        "ranked": ("POST", "/api/recommendations/rank", {"json": {"user_id": "u1", "item_ids": ["i1"]}}),
        "method": ("PUT", HOME, {}),
    }

    def statuses(key: str) -> dict[str, int]:
        return {name: _status(server, key, method, path, **more) for name, (method, path, more) in asked.items()}

    shut = dict.fromkeys(asked, 403) | {"health": 200, "document": 200}
    reads = dict.fromkeys(("row", "similar", "asked by a body", "ranked"), 200)
    writes = {"events": 200, "feedback": 200}
    assert statuses(by_role[Role.READ]) == shut | reads
    assert statuses(by_role[Role.WRITE]) == shut | writes
    assert statuses(both) == shut | reads | writes
    everything = reads | writes | {"health": 200, "document": 200, "new route": 404, "method": 405}
    assert statuses(by_role[Role.ADMIN]) == everything


def test_a_wrong_role_is_said_with_what_is_needed(serve: Serve, keys: Keys) -> None:
    key = keys.add("shop", Role.WRITE)
    answer = serve(door=keys.door).http.get(HOME, headers={"Authorization": f"bearer {key}"})
    assert answer.status_code == 403
    error = answer.json()["error"]
    assert error["code"] == "wrong_role"
    assert "GET /api/recommendations/home needs the role read or admin; key 'shop' has write." in error["message"]


def test_the_table_names_routes_that_are_there(server: Server) -> None:
    documented = {
        (method.upper(), path)
        for path, operations in server.http.get("/openapi.json").json()["paths"].items()
        for method in operations
    } | {("GET", "/openapi.json")}
    for rule in RULES:
        assert any(rule.covers(method, path) for method, path in documented), rule
    assert {path for _, path in documented} >= OPEN_PATHS


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/api/recommendations/similar"),
        ("HEAD", "/api/recommendations/home"),
        ("GET", "/api/interactions"),
        ("POST", "/api/interactions/"),
        ("POST", "/api/interactionsx"),
        ("GET", "/api/recommendations"),
        ("GET", "//api/recommendations/home"),
        ("GET", "/api/items/i1"),
        ("PUT", "/api/items/i1"),
        ("GET", "/api/users/u1/data"),
        ("DELETE", "/api/users/u1"),
        ("GET", "/metrics"),
    ],
)
def test_what_the_table_does_not_name_is_for_admin_alone(method: str, path: str) -> None:
    assert roles_for(method, path) == {Role.ADMIN}


@pytest.fixture
def _looks_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("serve_apps.http.keys._LOOK_EVERY_S", 0.0)


@pytest.mark.usefixtures("_looks_each_time")
def test_unknown_and_expired_keys_are_told_apart(serve: Serve, keys: Keys) -> None:
    keys.add("site", Role.READ)
    server = serve(door=keys.door)
    soon = datetime.now(UTC) + timedelta(seconds=0.6)
    key = keys.add("shop", Role.READ, expires=soon)
    assert _status(server, key) == 200
    time.sleep((soon - datetime.now(UTC)).total_seconds() + 0.05)
    for sent, code in ((key, "expired_key"), (make_key(), "unknown_key"), ("", "no_key")):
        answer = server.http.get(HOME, headers={"X-API-Key": sent})
        assert (answer.status_code, answer.json()["error"]["code"]) == (401, code)
        assert answer.headers["www-authenticate"] == "Bearer"
        assert sent == "" or sent not in answer.text


@pytest.mark.slow
def test_a_running_server_follows_the_file(serve: Serve, keys: Keys, capsys: pytest.CaptureFixture[str]) -> None:
    """The command beside the server, as an operator rotates: old and new in the grace, then the new one alone."""

    def shoal_keys(*argv: str) -> str:
        capsys.readouterr()
        assert keys_command([*argv, "--file", str(keys.path)]) == 0
        return capsys.readouterr().out.strip()

    old = shoal_keys("add", "--name", "shop", "--role", "read")
    server = serve(door=keys.door)
    assert _status(server, old) == 200
    new = shoal_keys("rotate", "shop", "--grace", "3s")
    ends = time.time() + 3
    time.sleep(LOOK_S)
    assert (_status(server, old), _status(server, new)) == (200, 200)
    time.sleep(max(0.0, ends - time.time()) + 0.05)
    assert (_status(server, old), _status(server, new)) == (401, 200)
    shoal_keys("revoke", "shop")
    time.sleep(LOOK_S)
    assert _status(server, new) == 401


@pytest.mark.usefixtures("_looks_each_time")
@pytest.mark.parametrize("broken", ["{", '{"keys": [{}]}', None])
def test_a_broken_file_is_logged_once_and_the_keys_of_before_stay(
    serve: Serve, keys: Keys, broken: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    key = keys.add("shop", Role.READ)
    whole = keys.path.read_text()
    server = serve(door=keys.door)
    if broken is None:
        keys.path.unlink()
    else:
        keys.path.write_text(broken)
    assert [_status(server, key) for _ in range(3)] == [200, 200, 200]
    assert _status(server, "unknown") == 401
    [record] = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert "the keys of before stay in force: the keys file" in record.getMessage()
    keys.path.write_text(whole)
    other = keys.add("site", Role.READ)
    assert (_status(server, key), _status(server, other)) == (200, 200)


@pytest.mark.usefixtures("_looks_each_time")
def test_a_file_that_appears_shuts_an_open_server_for_good(serve: Serve, keys: Keys) -> None:
    server = serve(door=DoorOptions(keys_file=keys.path))
    assert _status(server, "") == 200
    key = keys.add("shop", Role.READ)
    assert (_status(server, ""), _status(server, key)) == (401, 200)
    keys.path.unlink()
    assert (_status(server, ""), _status(server, key)) == (401, 200)


@pytest.mark.usefixtures("_looks_each_time")
def test_an_empty_list_lets_nobody_in(serve: Serve, keys: Keys) -> None:
    keys.path.write_text(KeyList().model_dump_json())
    server = serve(door=keys.door)
    assert (_status(server, ""), _status(server, "any")) == (401, 401)
    assert server.http.get("/api/health/live").status_code == 200


def test_a_replica_without_its_file_does_not_start(keys: Keys) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        keys.door.open_keys()
    keys.path.write_text("{")
    with pytest.raises(ConfigError, match="is wrong at the file"):
        keys.door.open_keys()


def test_plain_keys_of_the_settings_may_do_everything_beside_the_file(serve: Serve, keys: Keys) -> None:
    reader = keys.add("site", Role.READ)
    door = DoorOptions(fixed_keys=admin_keys("root", "other"), keys_file=keys.path, keys_file_needed=True)
    server = serve(door=door)
    for key in ("root", "other"):
        assert _status(server, key) == 200
        assert _status(server, key, "DELETE", "/api/nowhere") == 404
    assert _status(server, reader, "POST", "/api/interactions", json=EVENT) == 403


def test_options_come_from_the_settings_without_a_plain_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOAL_HOME", str(tmp_path))
    monkeypatch.setenv("SHOAL_API_KEYS", "first,second")
    monkeypatch.setenv("SHOAL_MAX_LATENESS_S", "60")
    monkeypatch.delenv("SHOAL_KEYS_FILE", raising=False)
    options = DoorOptions.of(Settings())
    assert "first" not in repr(options)
    assert (options.keys_file_needed, options.event_times.max_lateness) == (False, timedelta(minutes=1))
    assert options.open_keys().find(b"second") is not None
    (tmp_path / "keys.json").write_text("{")
    with pytest.raises(ConfigError, match="is wrong at the file"):
        DoorOptions.of(Settings())
    monkeypatch.setenv("SHOAL_KEYS_FILE", str(tmp_path / "elsewhere.json"))
    with pytest.raises(ConfigError, match=r"elsewhere\.json cannot be read"):
        DoorOptions.of(Settings())


def test_a_key_that_shares_the_beginning_of_a_hash_is_another() -> None:
    near = key_hash("sent")[:16] + "0" * 48
    twin = ApiKey(name="twin", roles=frozenset(Role), secrets=(Secret(sha256=near, created=datetime.now(UTC)),))
    assert LiveKeys([twin], None, False, Rates()).find(b"sent") is None
    assert LiveKeys(admin_keys("sent"), None, False, Rates()).find(b"sent") is not None
