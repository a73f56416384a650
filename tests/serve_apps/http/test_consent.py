"""A refusal by PUT, PATCH or POST of a profile is in every respect one by `shoal consent`, on both stores."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from cluster.delta.lake import Lake
from cluster.online.consent import set_consent
from cluster.online.store import OnlineUser
from models.catalogue_entries import Kind
from models.events import Interaction
from models.exposures import Exposure
from models.privacy import ANONYMOUS_ID
from models.tables import Table
from pipelines.online.catalogue_sink import catalogue_sink
from tests.cluster.online.store_suite import logged
from tests.cluster.online.stores import empty_redis_url  # noqa: F401  (a fixture)
from tests.cluster.redis.redis_server import redis_url  # noqa: F401  (a fixture)
from tests.serve_apps.conftest import Serve, Server, ids

pytestmark = pytest.mark.slow

REFUSED = OnlineUser(country="NO", personalization=False)
ABOUT = {"country": "NO", "attributes": {"age": 25}}


def by_consent(server: Server) -> None:
    assert set_consent(server.store, ["u3"], False) == 1


def by_put(server: Server) -> None:
    answer = server.http.request("PUT", "/api/users/u3", json={**ABOUT, "personalization": False})
    assert (answer.status_code, "attributes" in answer.json()) == (200, False)


def by_patch(server: Server) -> None:
    answer = server.http.request("PATCH", "/api/users/u3", json={"personalization": False})
    assert (answer.status_code, "attributes" in answer.json()) == (200, False)


def by_post(server: Server) -> None:
    body = [{"user_id": "u3", **ABOUT, "personalization": False}]
    assert server.http.post("/api/users", json=body).json()["updated"] == 1


def recorded(server: Server, num_shown: int) -> list[Interaction | Exposure]:
    """The log, once it has so many exposures: they come after their answers."""
    while True:
        entries = logged(server.store)
        if sum(isinstance(entry, Exposure) for entry in entries) >= num_shown:
            return entries


WAYS = [by_consent, by_put, by_patch, by_post]


@pytest.fixture(params=["sqlite", "redis"])
def server(request: pytest.FixtureRequest, serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Server:
    """With a user of whom everything is known that can be."""
    monkeypatch.setenv("SHOAL_HOME", str(tmp_path / "home"))
    url = request.getfixturevalue("empty_redis_url") if request.param == "redis" else None
    server = serve(store_url=url)
    server.http.request("PUT", "/api/users/u3", json={**ABOUT, "personalization": True})
    for n in range(3):
        server.send("u3", f"i{20 + n}", "click", country="NO", session_id="s")
    assert server.home("u3")["fallback"] is None
    return server


@pytest.mark.parametrize("refuse", WAYS)
def test_only_the_country_of_who_refuses_is_read_or_kept(server: Server, refuse: Callable[[Server], None]) -> None:
    refuse(server)
    assert server.store.users(["u3"]) == [REFUSED]
    [document] = server.store.catalogue.get(Kind.USER, ["u3"])
    assert document is not None
    assert json.loads(document.body or b"") == {"country": "NO", "personalization": False}
    server.send("u3", "i5", "click", session_id="s", country="SE")
    server.send("u3", "i6", "hide")
    server.store.warm({"u3": OnlineUser(country="DK", attributes={"age": "25"})})
    assert server.store.users(["u3"]) == [REFUSED]


@pytest.mark.parametrize("refuse", WAYS)
def test_answers_are_what_is_popular_and_are_recorded_without_them(
    server: Server, refuse: Callable[[Server], None]
) -> None:
    before = recorded(server, num_shown=1)
    refuse(server)
    for kind in ("click", "hide"):
        answer = server.home("u3", limit=3)
        assert (answer["fallback_cause"], answer["freshness_ms"]) == ("personalization_off", None)
        assert ids(answer) == ["i5", "i6", "i7"]
        server.send("u3", "i5", kind, session_id="s")
    new = [entry for entry in recorded(server, num_shown=3) if entry not in before]
    assert [entry.user_id for entry in new] == [ANONYMOUS_ID] * 4


@pytest.mark.parametrize("refuse", WAYS)
def test_what_is_held_shows_the_refusal_and_the_lake_learns_it(
    server: Server, refuse: Callable[[Server], None], tmp_path: Path
) -> None:
    refuse(server)
    with zipfile.ZipFile(io.BytesIO(server.http.get("/api/users/u3/data").content)) as archive:
        [profile] = map(json.loads, archive.read("store/profile.jsonl").splitlines())
        assert archive.read("store/history.jsonl") == b""
    assert profile == {
        "user_id": "u3", "country": "NO", "attributes": {}, "email": None, "personalization": False,
        "profile_put": {"country": "NO", "personalization": False},
    }  # fmt: skip
    lake = Lake(str(tmp_path / "lake"))
    catalogue_sink(server.store, lake)
    [row] = lake.read(Table.USERS).to_pylist()
    assert (row["personalization"], row["attributes"]) == (False, None)


@pytest.mark.parametrize("refuse", WAYS)
def test_consent_given_back_starts_anew(server: Server, refuse: Callable[[Server], None]) -> None:
    refuse(server)
    server.http.request("PATCH", "/api/users/u3", json={"personalization": True})
    assert server.store.users(["u3"]) == [OnlineUser(country="NO", personalization=True)]
    server.send("u3", "i9", "click")
    assert server.home("u3")["fallback"] is None
    assert [event.item_id for event in server.store.users(["u3"])[0].history] == ["i9"]
