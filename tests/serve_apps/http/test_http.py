"""What holds for every route: keys, sizes, one shape of error, an OpenAPI document, health."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from serve_apps.http.bodies import MAX_BODY_BYTES
from tests.cluster.online.store_suite import logged
from tests.serve_apps.conftest import Serve, Server

EVENT = {"user_id": "u1", "item_id": "i1", "event_type": "click"}
HOME = "/api/recommendations/home?user_id=u1"


def _error(answer: Any, status: int) -> dict[str, Any]:
    assert answer.status_code == status
    assert set(answer.json()) == {"error"}
    assert set(answer.json()["error"]) == {"code", "message", "details"}
    return dict(answer.json()["error"])


@pytest.mark.parametrize("headers", [{"Authorization": "Bearer second"}, {"X-API-Key": "first"}])
def test_a_key_opens_the_door(serve: Serve, headers: dict[str, str]) -> None:
    server = serve(api_keys=("first", "second"), client=("203.0.113.9", 1))
    assert server.http.get(HOME, headers=headers).status_code == 200
    assert server.http.post("/api/interactions", headers=headers, json=EVENT).status_code == 200


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({}, "no_key"),
        ({"Authorization": "Basic first"}, "no_key"),
        ({"Authorization": "first"}, "no_key"),
        ({"Authorization": "Bearer firs"}, "unknown_key"),
        ({"X-API-Key": "firstt"}, "unknown_key"),
        ({"X-API-Key": "é"}, "unknown_key"),
    ],
)
def test_without_a_known_key_it_stays_shut(serve: Serve, headers: dict[str, str], code: str) -> None:
    server = serve(api_keys=("first",))
    encoded = {name: value.encode() for name, value in headers.items()}
    for path in (HOME, "/api/health", "/openapi.json", "/nowhere"):
        assert _error(server.http.get(path, headers=encoded), 401)["code"] == code
    assert _error(server.http.post("/api/interactions", headers=encoded, json=EVENT), 401)
    assert logged(server.store) == []


def test_the_probes_need_no_key(serve: Serve) -> None:
    server = serve(api_keys=("first",))
    assert server.http.get("/api/health/live").json() == {"status": "ok"}
    assert server.http.get("/api/health/ready").json() == {"status": "ok"}


@pytest.mark.parametrize("client", [("203.0.113.9", 1), ("10.0.0.4", 1), ("::ffff:8.8.8.8", 1)])
def test_without_keys_only_this_machine_is_answered(serve: Serve, client: tuple[str, int]) -> None:
    assert _error(serve(client=client).http.get(HOME), 401)["code"] == "no_keys"


def test_without_keys_ipv6_loopback_is_this_machine(serve: Serve) -> None:
    assert serve(client=("::1", 1)).http.get(HOME).status_code == 200


@pytest.mark.parametrize(
    ("origin", "status"),
    [("http://shoal", 200), ("https://evil.example", 403), ("http://shoal.evil", 403), ("null", 403)],
)
def test_without_keys_a_page_of_another_site_writes_nothing(server: Server, origin: str, status: int) -> None:
    assert server.http.post("/api/interactions", json=EVENT, headers={"Origin": origin}).status_code == status
    assert len(logged(server.store)) == (status == 200)


def test_with_keys_pages_are_told_by_their_key(serve: Serve) -> None:
    headers = {"Origin": "https://shop.example", "X-API-Key": "key"}
    assert serve(api_keys=["key"]).http.post("/api/interactions", json=EVENT, headers=headers).status_code == 200


def test_a_body_that_says_it_is_too_large_is_not_read(server: Server) -> None:
    async def forever() -> AsyncIterator[bytes]:
        raise AssertionError("the body was read")
        yield b""

    headers = {"Content-Length": str(10 << 20)}
    error = _error(server.http.post("/api/interactions", content=forever(), headers=headers), 413)
    assert "at most 1048576" in error["message"]


def test_a_body_without_a_length_is_cut_off(server: Server) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(160):
            yield b" " * 65_536

    assert _error(server.http.post("/api/interactions", content=chunks()), 413)["code"] == "body_too_large"


def test_a_body_of_the_allowed_size_is_read(server: Server) -> None:
    body = b'{"user_id": "u", "item_id": "i", "event_type": "view"}'
    assert server.http.post("/api/interactions", content=body.ljust(MAX_BODY_BYTES)).json()["accepted"] == 1
    _error(server.http.post("/api/interactions", content=body.ljust(MAX_BODY_BYTES + 1)), 413)


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("home", "give either user_id or, for somebody without one, session_id"),
        ("home?user_id=", "user_id"),
        ("home?user_id=" + "x" * 129, "at most 128"),
        ("home?user_id=" + "%C3%B8" * 65, "must be 1 to 128 bytes; got 130"),
        ("home?user_id=u1&limit=0", "greater than or equal to 1; got '0'"),
        ("home?user_id=u1&limit=-1", "greater than or equal to 1"),
        ("home?user_id=u1&limit=1000000", "less than or equal to 200"),
        ("home?user_id=u1&limit=many", "valid integer"),
        ("home?user_id=u1&lmit=3", "lmit: unknown field"),
        ("home?user_id=u1&country=", "country"),
        ("similar?user_id=u1", "item_id: this field is needed"),
        ("similar?item_id=i1&user_id=", "user_id"),
    ],
)
def test_a_wrong_question_is_answered_with_what_is_wrong(server: Server, path: str, message: str) -> None:
    error = _error(server.http.get(f"/api/recommendations/{path}"), 422)
    assert message in error["message"]
    assert error["details"]


def test_unknown_paths_and_methods_are_named(server: Server) -> None:
    assert "/api/recommendations/home" in _error(server.http.get("/api/recommendation/home"), 404)["message"]
    answer = server.http.request("DELETE", "/api/health")
    assert "does not take DELETE" in _error(answer, 405)["message"]
    assert answer.headers["allow"] == "GET"


def test_the_document_describes_every_route_and_error(server: Server) -> None:
    document = server.http.get("/openapi.json").json()
    assert set(document["paths"]) == {
        "/api/recommendations/home",
        "/api/recommendations/rank",
        "/api/recommendations/search",
        "/api/recommendations/similar",
        "/api/interactions",
        "/api/feedback",
        "/api/items",
        "/api/items/{id}",
        "/api/users",
        "/api/users/{id}",
        "/api/users/{id}/data",
        "/api/health",
        "/api/health/live",
        "/api/health/ready",
    }
    for operations in document["paths"].values():
        for operation in operations.values():
            assert {"401", "403", "413", "415", "422", "429", "503"} <= set(operation["responses"])
    one, many, named = document["paths"]["/api/feedback"]["post"]["requestBody"]["content"]["application/json"][
        "schema"
    ]["anyOf"]
    assert "recommendation_id" in one["required"]
    assert many["items"] == named["properties"]["interactions"]["items"] == one
    assert "$ref" not in str(one)
    item, user = (document["paths"][f"/api/{name}s/{{id}}"] for name in ("item", "user"))
    assert set(item) == set(user) == {"get", "put", "patch", "delete"}
    for operations, fields in ((item, {"title", "available", "countries"}), (user, {"country", "personalization"})):
        assert [p["name"] for p in operations["get"]["parameters"]] == ["id"]
        for method in ("put", "patch"):
            schema = operations[method]["requestBody"]["content"]["application/json"]["schema"]
            assert fields <= set(schema["properties"])
            assert "$ref" not in str(schema)


def test_health_says_what_answers(server: Server) -> None:
    assert server.http.get("/api/health").json() == {"status": "ok", "model_version": "v1", "store": "ok"}


def test_a_store_that_is_gone_is_said_and_rows_go_on(serve: Serve, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    server = serve(store_url=f"sqlite:///{tmp_path}/file/online.db")
    assert server.http.get("/api/health").json() == {
        "status": "degraded",
        "model_version": "v1",
        "store": "unavailable",
    }
    answer = server.home("u1", limit=2)
    assert (answer["fallback_cause"], len(answer["items"])) == ("store_unavailable", 2)
    # What u1 hid is not known; who is not named has hidden nothing.
    assert server.row("similar", item_id="i0", user_id="u1")["fallback_cause"] == "store_unavailable"
    assert server.row("similar", item_id="i0")["fallback"] is None
    refused = server.http.post("/api/interactions", json=EVENT)
    assert _error(refused, 503)["code"] == "store_unavailable"
    assert refused.headers["retry-after"] == "1"
