"""Items and users by HTTP, and that the very next answer honours them, on every rung."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from cluster.online import catalogue
from cluster.online.store import open_store
from cluster.registry import Registry
from models.catalogue_entries import Kind, parse_entry
from models.experiments import Experiment, Variant
from serve_apps.live.bundles import LiveBundles
from serve_apps.tiers.ranking import Ranking
from serve_apps.tiers.retrieval import Retrieval
from tests.cluster.online.store_suite import logged
from tests.serve_apps.conftest import Serve, Server, ids
from tests.serve_apps.sample_bundle import publish

pytestmark = pytest.mark.slow

NUM_ITEMS = 60


def put(server: Server, item_id: str, **fields: Any) -> dict[str, Any]:
    answer = server.http.request("PUT", f"/api/items/{item_id}", json=fields)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def put_many(server: Server, item_ids: list[str], **fields: Any) -> None:
    body = [{"item_id": item_id, **fields} for item_id in item_ids]
    answer = server.http.post("/api/items", json=body)
    assert answer.status_code == 200, answer.text
    assert answer.json()["rejected"] == 0


def close_when_recorded(server: Server) -> None:
    """Exposures are appended after the answer, and would open the store again."""
    deadline = time.monotonic() + 5
    while not logged(server.store):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    server.store.close()


def error(answer: httpx.Response, status: int) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    assert set(answer.json()["error"]) == {"code", "message", "details"}
    return dict(answer.json()["error"])


@pytest.fixture
def rows(server: Server) -> dict[str, Callable[..., dict[str, Any]]]:
    """Each kind of answer: `u1` is known to the model, `nobody` to nobody."""
    return {
        "home": lambda **query: server.home("u1", **query),
        "similar": lambda **query: server.row("similar", item_id="i7", **query),
        "stranger": lambda **query: server.home("nobody", **query),
        "unknown item": lambda **query: server.row("similar", item_id="nothing", **query),
    }


def withdraw(server: Server, item_id: str) -> None:
    put(server, item_id, available=False)


def delete(server: Server, item_id: str) -> None:
    answer = server.http.request("DELETE", f"/api/items/{item_id}")
    assert (answer.status_code, answer.json()) == (200, {"item_id": item_id, "deleted": True})


def expire(server: Server, item_id: str) -> None:
    put(server, item_id, expires_at=(datetime.now(UTC) - timedelta(seconds=1)).isoformat())


def keep_in_norway(server: Server, item_id: str) -> None:
    put(server, item_id, countries=["NO"])


@pytest.mark.parametrize("take_out", [withdraw, delete, expire, keep_in_norway])
def test_an_item_that_is_taken_out_is_in_no_next_answer(
    server: Server, rows: dict[str, Any], take_out: Callable[[Server, str], None]
) -> None:
    for name, row in rows.items():
        before = ids(row())
        assert len(before) == 20
        take_out(server, before[0])
        after = ids(row())
        assert before[0] not in after, name
        assert len(after) == 20, name
        assert before[0] not in ids(row(limit=200)), name


def test_an_item_is_back_in_the_next_answer(server: Server) -> None:
    before = ids(server.home("u1"))
    for take_out in (withdraw, delete, expire, keep_in_norway):
        take_out(server, before[0])
        assert before[0] not in ids(server.home("u1"))
        put(server, before[0], title="Back")
        assert ids(server.home("u1")) == before


def test_an_item_goes_at_the_moment_it_expires(server: Server) -> None:
    item_id = ids(server.home("u1"))[0]
    put(server, item_id, expires_at=(datetime.now(UTC) + timedelta(seconds=1.5)).isoformat())
    assert item_id in ids(server.home("u1"))
    time.sleep(1.5)
    assert item_id not in ids(server.home("u1"))


def test_the_country_of_the_request_or_of_the_user_decides(server: Server) -> None:
    item_id = ids(server.home("u1"))[0]
    put(server, item_id, countries=["NO", "SE"])
    assert item_id not in ids(server.home("u1", limit=200))
    assert item_id in ids(server.home("u1", country="SE", limit=200))
    assert item_id not in ids(server.home("u1", country="DK", limit=200))
    assert server.http.request("PUT", "/api/users/u1", json={"country": "NO"}).status_code == 200
    assert item_id in ids(server.home("u1", limit=200))
    assert item_id not in ids(server.home("u1", country="DK", limit=200))
    neighbour = ids(server.row("similar", item_id="i7"))[0]
    put(server, neighbour, countries=["NO"])
    assert neighbour not in ids(server.row("similar", item_id="i7", limit=200))
    assert neighbour in ids(server.row("similar", item_id="i7", user_id="u1", limit=200))


def test_the_row_is_filled_when_nearly_everything_is_taken_out(server: Server, rows: dict[str, Any]) -> None:
    left = {"i11", "i22", "i33"}
    put_many(server, [f"i{n}" for n in range(NUM_ITEMS) if f"i{n}" not in left], available=False)
    for name, row in rows.items():
        assert set(ids(row())) == left, name
    put_many(server, sorted(left), available=False)
    for name, row in rows.items():
        assert ids(row()) == [], name
    put(server, "i5")
    for name, row in rows.items():
        assert ids(row()) == ["i5"], name


def test_beyond_the_popular_lists_and_the_candidates_others_fill_the_row(serve: Serve, tmp_path: Path) -> None:
    registry = Registry(str(tmp_path / "registry"))
    publish(registry, "v1", num_items=3_000)
    registry.promote("v1")
    server = serve(registry.uri)
    first = ids(server.home("u1", limit=200))
    near = ids(server.row("similar", item_id="i7", limit=200))
    popular = [f"i{n}" for n in range(200)]
    for batch in (first, near, popular):
        put_many(server, batch, available=False)
    gone = {*first, *near, *popular}
    for row in (server.home("u1"), server.row("similar", item_id="i7"), server.home("nobody")):
        assert len(ids(row)) == 20
        assert gone.isdisjoint(ids(row))
    assert server.home("u1")["fallback"] is None
    # What has the most events comes first.
    assert ids(server.home("nobody", limit=5)) == [f"i{n}" for n in range(200, 3_000) if f"i{n}" not in gone][:5]


def test_seen_items_come_back_where_nothing_else_is_left_but_no_withdrawn_one(server: Server) -> None:
    events = [{"user_id": "u5", "item_id": f"i{n}", "event_type": "click" if n else "hide"} for n in range(60)]
    assert server.http.post("/api/interactions", json=events).json()["accepted"] == 60
    withdraw(server, "i1")
    answer = server.home("u5", limit=3)
    assert (answer["fallback_cause"], ids(answer)) == ("nothing_found", ["i2", "i3", "i4"])


def test_every_rung_leaves_it_out(serve: Serve, tmp_path: Path) -> None:
    registry = Registry(str(tmp_path / "other"))
    publish(registry, "other")
    registry.promote("other")
    elsewhere, store_url = LiveBundles(registry.uri), f"sqlite:///{tmp_path}/shared.db"
    pop = Experiment("salt", (Variant("pop", 1, "popularity"),))
    servers = {
        "popular": serve(store_url=store_url, retrieval=lambda _: Retrieval(elsewhere)),
        "without_ranking": serve(store_url=store_url, ranking=lambda _: Ranking(elsewhere)),
        None: serve(store_url=store_url, experiment=pop),
    }
    for fallback, server in servers.items():
        before = server.home("u1")
        assert before["fallback"] == fallback
        withdraw(server, ids(before)[0])
        after = server.home("u1")
        assert (after["fallback"], len(ids(after))) == (fallback, 20)
        assert ids(before)[0] not in ids(after)


def test_pinned_variants_leave_it_out_too(serve: Serve) -> None:
    server = serve(experiment=Experiment("salt", (Variant("pinned", 1, version="v2"),)))
    before = server.home("u1")
    assert before["model_version"] == "v2"
    withdraw(server, ids(before)[0])
    assert ids(before)[0] not in ids(server.home("u1"))


def test_a_store_that_fails_after_a_write_does_not_bring_it_back(serve: Serve, tmp_path: Path) -> None:
    server = serve()
    withdraw(server, "i0")
    assert ids(server.home("nobody"))[0] == "i1"
    close_when_recorded(server)
    (tmp_path / "online.db").rename(tmp_path / "moved.db")
    (tmp_path / "online.db").mkdir()
    answer = server.home("u1", limit=3)
    assert (answer["fallback_cause"], ids(answer)) == ("store_unavailable", ["i1", "i2", "i3"])
    refused = server.http.request("PUT", "/api/items/i1", json={})
    assert error(refused, 503)["code"] == "store_unavailable"
    assert refused.headers["retry-after"] == "1"
    assert error(server.http.get("/api/items/i1"), 503)


def test_a_store_that_was_emptied_is_followed(serve: Serve, tmp_path: Path) -> None:
    server = serve()
    withdraw(server, "i0")
    assert ids(server.home("nobody"))[0] == "i1"
    close_when_recorded(server)
    for file in tmp_path.glob("online.db*"):
        file.unlink()
    assert ids(server.home("nobody"))[0] == "i0"


def test_a_router_that_starts_late_knows_what_was_taken_out(serve: Serve, tmp_path: Path) -> None:
    store_url = f"sqlite:///{tmp_path}/shared.db"
    first = serve(store_url=store_url)
    withdraw(first, "i0")
    put(first, "i1", title="New", categories=["x"])
    late = serve(store_url=store_url)
    [shown] = late.home("nobody", limit=1)["items"]
    assert (shown["item_id"], shown["metadata"]) == ("i1", {"title": "New", "categories": ["x"]})


def test_the_newest_title_is_shown_and_named_in_reasons(server: Server) -> None:
    [first, second] = server.home("u1", limit=2)["items"]
    put(server, first["item_id"], title="Brand new", categories=["Fresh"], metadata={"cover": "x.png"})
    shown = server.home("u1", limit=2)["items"]
    assert [item["metadata"] for item in shown] == [{"title": "Brand new", "categories": ["Fresh"]}, second["metadata"]]
    server.send("u1", first["item_id"], "click")
    assert {item["reason"] for item in server.home("u1")["items"]} == {"Because you clicked Brand new"}


def test_a_new_champion_knows_what_was_taken_out_before_it(serve: Serve, tmp_path: Path) -> None:
    registry = Registry(str(tmp_path / "registry"))
    publish(registry, "v1", seed=1)
    publish(registry, "v2", seed=2)
    registry.promote("v1")
    server = serve(registry.uri)
    withdraw(server, "i0")
    registry.promote("v2")
    deadline = time.monotonic() + 10
    while (answer := server.home("nobody", limit=2))["model_version"] != "v2":
        assert ids(answer) == ["i1", "i2"]
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert ids(answer) == ["i1", "i2"]


def test_a_new_item_breaks_nothing_and_has_the_named_fallback(server: Server) -> None:
    assert server.row("similar", item_id="brand-new")["fallback_cause"] == "unknown_item"
    put(server, "brand-new", title="Like no other")
    answer = server.row("similar", item_id="brand-new")
    assert (answer["fallback_cause"], len(ids(answer))) == ("nothing_found", 20)
    server.send("u1", "brand-new", "click")
    assert server.home("u1")["fallback"] is None


def test_an_item_is_put_read_patched_and_deleted(server: Server) -> None:
    body = {
        "title": "The Silent Orbit",
        "categories": ["Drama"],
        "tags": ["slow"],
        "description": "…",
        "metadata": {"z": None, "a": {"b": [1, None]}},
        "released_at": "2024-05-01",
        "available": True,
        "expires_at": "2099-01-01T00:00:00+00:00",
        "countries": ["NO"],
    }
    first = put(server, "i12", **body)
    assert first == {"item_id": "i12", **body, "updated_at": first["updated_at"]}
    assert abs(datetime.fromisoformat(first["updated_at"]) - datetime.now(UTC)) < timedelta(minutes=1)
    assert put(server, "i12", **body) == first
    named = server.http.request("PUT", "/api/items/i12", json={"item_id": "i12", **body})
    assert named.json() == first
    assert server.http.get("/api/items/i12").json() == first
    patch = {"title": None, "metadata": {"a": {"c": 2}}}
    patched = server.http.request("PATCH", "/api/items/i12", json=patch).json()
    without = {name: value for name, value in body.items() if name != "title"}
    expected = {**without, "metadata": {"z": None, "a": {"b": [1, None], "c": 2}}}
    assert patched == {"item_id": "i12", **expected, "updated_at": patched["updated_at"]}
    assert server.http.request("PATCH", "/api/items/i12", json=patch).json() == patched
    assert put(server, "i12", title="Only this").keys() == {"item_id", "title", "updated_at"}
    for _ in range(2):
        delete(server, "i12")
        assert error(server.http.get("/api/items/i12"), 404)["code"] == "unknown_item"
    assert "Put it first" in error(server.http.request("PATCH", "/api/items/i12", json={}), 404)["message"]


@pytest.mark.parametrize("item_id", ["a/b", "å ø", "🐟" * 32, "100%", "a?b=c#d", "x+y"])
def test_an_id_may_hold_anything(server: Server, item_id: str) -> None:
    assert put(server, quote(item_id, safe=""), title="x")["item_id"] == item_id
    assert server.http.get(f"/api/items/{quote(item_id, safe='')}").json()["title"] == "x"


def test_a_user_is_put_read_patched_and_deleted(server: Server) -> None:
    body = {"country": "NO", "attributes": {"age": 25, "a": {"b": None}}, "personalization": True}
    first = server.http.request("PUT", "/api/users/u7", json=body).json()
    assert first == {"user_id": "u7", **body, "updated_at": first["updated_at"]}
    [user] = server.store.users(["u7"])
    assert (user.country, user.attributes, user.personalization) == ("NO", {"age": "25"}, True)
    patched = server.http.request("PATCH", "/api/users/u7", json={"country": "SE"}).json()
    assert (patched["country"], patched["attributes"]) == ("SE", body["attributes"])
    assert server.http.get("/api/users/u7").json() == patched
    answer = server.http.request("DELETE", "/api/users/u7")
    assert answer.status_code == 202
    assert error(server.http.get("/api/users/u7"), 404)["code"] == "unknown_user"
    [user] = server.store.users(["u7"])
    assert (user.country, user.attributes, user.personalization) == (None, {}, None)


def test_a_profile_is_in_the_next_answer(serve: Serve, tmp_path: Path) -> None:
    registry = Registry(str(tmp_path / "registry"))
    publish(registry, "v1", profiles=True)
    registry.promote("v1")
    server = serve(registry.uri)
    assert server.home("ann")["fallback_cause"] == "unknown_user"
    server.http.request("PUT", "/api/users/ann", json={"attributes": {"age": 25}})
    young = server.home("ann")
    assert (young["fallback"], young["items"][0]["reason"]) == (None, "Chosen for you")
    server.http.request("PATCH", "/api/users/ann", json={"attributes": {"age": 60}})
    assert ids(server.home("ann")) != ids(young)


def test_many_are_put_at_once_with_a_verdict_for_each(server: Server) -> None:
    put(server, "same", title="Same")
    put(server, "other", title="Before")
    body = [
        {"item_id": "new", "title": "New"},
        {"item_id": "same", "title": "Same"},
        {"item_id": "other", "title": "After"},
        {"item_id": "bad", "titel": "x"},
        {"title": "no id"},
        7,
    ]
    answer = server.http.post("/api/items", json={"items": body}).json()
    counts = {name: answer[name] for name in ("created", "updated", "unchanged", "rejected")}
    assert counts == {"created": 1, "updated": 1, "unchanged": 1, "rejected": 3}
    assert [(v["index"], v["status"], v["id"]) for v in answer["results"][:3]] == [
        (0, "created", "new"),
        (1, "unchanged", "same"),
        (2, "updated", "other"),
    ]
    reasons = [verdict["reason"] for verdict in answer["results"][3:]]
    assert "'titel': unknown field. The nearest is 'title'" in reasons[0]
    assert "item_id: this field is needed" in reasons[1]
    assert "got int" in reasons[2]
    assert server.http.get("/api/items/other").json()["title"] == "After"
    assert error(server.http.get("/api/items/bad"), 404)
    users = [{"user_id": f"w{n}", "country": "NO"} for n in range(1_000)]
    assert server.http.post("/api/users", json=users).json()["created"] == 1_000
    assert server.http.post("/api/users", json=users).json()["unchanged"] == 1_000
    assert server.store.users(["w999"])[0].country == "NO"


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "message"),
    [
        ("PUT", "/api/items/i1", b"{", 400, "not JSON"),
        ("PUT", "/api/items/i1", b"[]", 422, "an item is a JSON object; got list"),
        ("PUT", "/api/items/i1", b'{"colour": "red"}', 422, "'colour': unknown field"),
        ("PUT", "/api/items/i1", b'{"item_id": "i2"}', 422, "item_id is 'i2' in the body and 'i1' in the path"),
        ("PUT", "/api/items/i1", b'{"available": "no"}', 422, "available: "),
        ("PUT", "/api/items/" + "x" * 129, b"{}", 422, "at most 128"),
        ("PATCH", "/api/items/i1", b"[]", 422, "a patch is a JSON object"),
        ("PATCH", "/api/items/i1", b'{"expires_at": "soon"}', 422, "expires_at: "),
        ("POST", "/api/items", b"3", 422, "the body is a int"),
        ("POST", "/api/items", b"[]", 422, "1 to 1000 items; got 0"),
        ("POST", "/api/items", json.dumps([{}] * 1_001).encode(), 422, "got 1001"),
        ("POST", "/api/items", b'{"item_id": "i1", "titel": "x"}', 422, "'titel': unknown field"),
        ("PUT", "/api/users/u1", b'{"age": 25}', 422, "'age': unknown field. The nearest"),
        ("POST", "/api/users", b'[{"country": "NO"}]', 422, "user_id: this field is needed"),
        ("PATCH", "/api/users/nobody", b"{}", 404, "there is no user 'nobody'"),
    ],
)
def test_what_is_wrong_is_named(server: Server, method: str, path: str, body: bytes, status: int, message: str) -> None:
    put(server, "i1", title="x")
    assert message in error(server.http.request(method, path, content=body), status)["message"]
    assert server.http.get("/api/items/i1").json()["title"] == "x"


def test_answers_wait_for_no_fetch_while_nothing_changes(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    withdraw(server, "i0")
    server.home("u1")
    asked: list[str] = []
    whole = server.store.catalogue.changes

    def changes(*args: Any, **options: Any) -> Any:
        asked.append("changes")
        return whole(*args, **options)

    monkeypatch.setattr(server.store.catalogue, "changes", changes)
    server.http.request("PUT", "/api/users/u1", json={"country": "NO"})
    for _ in range(5):
        server.home("u1")
    assert asked == []
    withdraw(server, "i1")
    for _ in range(5):
        server.home("u1")
    assert asked == ["changes"]


def test_what_a_command_writes_beside_the_server_is_in_the_next_answer(serve: Serve, tmp_path: Path) -> None:
    server = serve()
    beside = open_store(f"sqlite:///{tmp_path / 'online.db'}")
    catalogue.put(beside.catalogue, Kind.ITEM, [("i0", parse_entry(Kind.ITEM, {"available": False}))])
    beside.close()
    assert ids(server.home("nobody", limit=2)) == ["i1", "i2"]
