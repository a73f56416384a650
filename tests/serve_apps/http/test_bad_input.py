"""Whatever is sent is answered, over real HTTP: 4xx that says what was wrong and what to do, or a row. Never a 5xx."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterator
from contextlib import closing
from http.client import HTTPConnection
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from cluster.online.store import HISTORY_LIMIT
from models.filters.bounds import MAX_CHARS
from serve_apps.chain.deadline import MAX_TIMEOUT_MS
from serve_apps.chain.messages import MAX_LIMIT
from serve_apps.http.api import MAX_RANKED
from serve_apps.http.door_options import DoorOptions
from serve_apps.http.errors import HttpError
from serve_apps.http.heads import check_text
from tests.serve_apps.conftest import ids
from tests.serve_apps.graph import Graph, built
from tests.serve_apps.listening import listening
from tests.serve_apps.trends import count_events

EVENT = {"user_id": "u1", "item_id": "i1", "event_type": "click"}
ROWS = ("home?user_id=u1", "similar?item_id=i1", "search?q=title")
RANK = {"user_id": "u1", "item_ids": ["i9", "i2", "i30"], "timeout_ms": 10_000}


@pytest.fixture(scope="module")
def graph(sample_registry: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Graph]:
    store_url = f"sqlite:///{tmp_path_factory.mktemp('store') / 'online.db'}"
    with built(sample_registry, store_url, DoorOptions()) as graph:
        yield graph


@pytest.fixture(scope="module")
def http(graph: Graph) -> Iterator[httpx.Client]:
    with listening(graph.app) as url, httpx.Client(base_url=url, timeout=30) as client:
        yield client


@pytest.fixture(autouse=True)
def _nothing_breaks(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    yield
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR] == []


def refused(answer: httpx.Response, *parts: str, status: int = 422) -> str:
    """The message of a refusal that says all these."""
    assert answer.status_code == status, answer.text
    error = answer.json()["error"]
    assert set(error) == {"code", "message", "details"}
    for part in parts:
        assert part in error["message"]
    assert len(answer.content) < 4_000
    return str(error["message"])


def row(answer: httpx.Response) -> dict[str, Any]:
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def ask(http: httpx.Client, question: str, **params: Any) -> httpx.Response:
    path, _, query = question.partition("?")
    first = dict(part.split("=") for part in query.split("&") if part)
    return http.get(f"/api/recommendations/{path}", params={**first, **params})


def get_long(http: httpx.Client, path: str) -> httpx.Response:
    """The same as `http.get`, which sends no long URLs."""
    with closing(HTTPConnection(http.base_url.host, http.base_url.port, timeout=30)) as connection:
        connection.request("GET", path)
        answer = connection.getresponse()
        return httpx.Response(answer.status, content=answer.read())


@pytest.mark.parametrize("question", ROWS)
@pytest.mark.parametrize(
    ("limit", "message"),
    [
        ("0", "greater than or equal to 1; got '0'"),
        ("-1", "greater than or equal to 1; got '-1'"),
        ("1000000", f"less than or equal to {MAX_LIMIT}; got '1000000'"),
        ("9" * 5_000, "got '999"),
        ("many", "valid integer"),
        ("1.5", "valid integer"),
        ("NaN", "valid integer"),
        ("", "valid integer"),
    ],
)
def test_a_page_has_a_size_that_can_be(http: httpx.Client, question: str, limit: str, message: str) -> None:
    refused(ask(http, question, limit=limit), "query.limit", message)


@pytest.mark.parametrize("limit", [0, -1, 1_000_000, "3", 1.5, True])
def test_so_has_a_list_to_rank(http: httpx.Client, limit: object) -> None:
    refused(http.post("/api/recommendations/rank", json={**RANK, "limit": limit}), "body.limit", "got")
    too_many = {**RANK, "item_ids": [f"i{n}" for n in range(MAX_RANKED + 1)]}
    refused(http.post("/api/recommendations/rank", json=too_many), f"at most {MAX_RANKED}")


@pytest.mark.parametrize("question", ROWS)
@pytest.mark.parametrize(
    ("timeout_ms", "message"),
    [
        ("0", "greater than or equal to 10"),
        ("9", "greater than or equal to 10"),
        ("-150", "greater than or equal to 10"),
        (str(MAX_TIMEOUT_MS + 1), f"less than or equal to {MAX_TIMEOUT_MS}"),
        ("1000000000000000000000", f"less than or equal to {MAX_TIMEOUT_MS}"),
        ("soon", "valid integer"),
    ],
)
def test_a_deadline_is_within_its_range(http: httpx.Client, question: str, timeout_ms: str, message: str) -> None:
    refused(ask(http, question, timeout_ms=timeout_ms), "query.timeout_ms", message)


BOMBS = {
    "parentheses": ("(" * 900 + "year = 1" + ")" * 900, "parentheses"),
    "not": ("NOT " * 450 + "year = 1", "levels"),
    "zigzag": ("(year = 1 AND " * 100 + "year = 1" + ")" * 100, ""),
    "long": ("year = 1 OR " * 10_000, f"at most {MAX_CHARS}"),
    "characters": ("x" * 100_000, f"100000 characters, expected at most {MAX_CHARS}"),
    "values": (f"tags IN ({','.join(f'{n}' for n in range(10_000))})", f"at most {MAX_CHARS}"),
    "short values": (f"tags IN ({','.join('7' * 900)})", "values"),
    "digits": ("year = " + "9" * 1_900, "a number out of range"),
    "one text": ('title = "' + "a" * 3_000, f"at most {MAX_CHARS}"),
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_filter_cannot_be_a_bomb(http: httpx.Client, name: str) -> None:
    bomb, message = BOMBS[name]
    started = time.process_time()
    refused(http.post("/api/recommendations/rank", json={**RANK, "filter": bomb}), "body.filter", message)
    by_url = get_long(http, f"/api/recommendations/home?user_id=u1&filter={quote(bomb)}")
    assert by_url.status_code in (400, 414, 422)
    assert time.process_time() - started < 1


INJECTIONS = [
    "' OR '1'='1",
    "x'; DROP TABLE events; --",
    '"; DELETE FROM users WHERE "" = "',
    "__import__('os').system('true')",
    "{{7*7}}${7*7}",
    "${jndi:ldap://127.0.0.1/x}",
    '{"$gt": ""}',
    "../../../../etc/passwd",
    "*",
    "a\r\nX-Injected: yes",
    'EVAL "return 1" 0',
    "<script>alert(1)</script>",
    "\x00",
    "\U0001f600\u202e\ufeff",
    "%00%n%s",
]


@pytest.mark.parametrize("text", INJECTIONS)
def test_an_id_is_only_an_id(http: httpx.Client, text: str) -> None:
    event = {"user_id": text, "item_id": text, "event_type": "like", "country": text, "session_id": text}
    assert row(http.post("/api/interactions", json=event))["accepted"] == 1
    answer = row(http.get("/api/recommendations/home", params={"user_id": text, "timeout_ms": 10_000}))
    assert answer["items"]
    assert answer["freshness_ms"] is not None  # the event is its, and nobody else's
    for question in (f"home?user_id={'stranger'}", "similar?item_id=i1"):
        assert row(ask(http, question, timeout_ms=10_000))["freshness_ms"] is None
    assert row(http.post("/api/items", json={"item_id": text, "title": text}))["rejected"] == 0
    assert row(ask(http, "similar", item_id=text, timeout_ms=10_000))["items"]
    ranked = row(http.post("/api/recommendations/rank", json={**RANK, "item_ids": [text, "i1"]}))
    assert set(ids(ranked)) <= {text, "i1"}
    assert row(http.post("/api/items", json={"item_id": text, "available": False}))["rejected"] == 0


@pytest.mark.parametrize(
    "text", [*INJECTIONS, 'title:"a" OR *', "a* AND (", '"open', "/[/", "a~9999", "^1e999", "((((", "+-!"]
)
def test_a_search_is_only_words(http: httpx.Client, text: str) -> None:
    answer = row(ask(http, "search", q=text, timeout_ms=10_000))
    assert "X-Injected" not in answer
    assert all(item["source"] == "search" for item in answer["items"])


@pytest.mark.parametrize("text", INJECTIONS)
def test_a_filter_runs_nothing(http: httpx.Client, text: str) -> None:
    refused(ask(http, "home?user_id=u1", filter=text), "query.filter", "position", "expected")
    quoted = f"title = {json.dumps(text)}"
    assert row(ask(http, "home?user_id=u1", filter=quoted, timeout_ms=10_000))["items"] == []


def test_a_search_has_words(http: httpx.Client) -> None:
    refused(ask(http, "search", q=""), "query.q", "at least 1 character")
    refused(ask(http, "search", q="x" * 501), "query.q", "at most 500 characters")


@pytest.mark.parametrize(
    ("method", "path", "body", "nearest"),
    [
        (
            "GET",
            "/api/recommendations/home?user_id=u1&lmit=3",
            None,
            "query.lmit: unknown field. The nearest is 'limit'",
        ),
        ("GET", "/api/recommendations/similar?item=i1", None, "query.item_id: this field is needed"),
        ("GET", "/api/recommendations/similar?item_id=i1&userid=u", None, "The nearest is 'user_id'"),
        ("GET", "/api/recommendations/search?q=x&filtr=", None, "The nearest is 'filter'"),
        (
            "POST",
            "/api/recommendations/rank",
            {**RANK, "itemids": []},
            "body.itemids: unknown field. The nearest is 'item_ids'",
        ),
        (
            "POST",
            "/api/interactions",
            {**EVENT, "sesion_id": "s"},
            "sesion_id: unknown field. The nearest is 'session_id'",
        ),
        ("POST", "/api/interactions?validate=true", EVENT, "The nearest is 'validate_only'"),
        ("POST", "/api/items", {"item_id": "i1", "titel": "x"}, "The nearest is 'title'"),
        ("PATCH", "/api/users/u1", {"contry": "NO"}, "The nearest is 'country'"),
    ],
)
def test_an_unknown_field_is_named_with_the_nearest(
    http: httpx.Client, method: str, path: str, body: object, nearest: str
) -> None:
    http.put("/api/users/u1", json={}).raise_for_status()
    refused(http.request(method, path, json=body), nearest)


def test_an_unknown_field_may_have_any_name(http: httpx.Client) -> None:
    name = "x" * 8_000
    message = refused(http.post("/api/interactions", json={**EVENT, name: 1}), "unknown field")
    assert len(message) < 300
    refused(http.get(f"/api/recommendations/home?user_id=u1&{name}=1"), "unknown field")


def test_who_and_what_nobody_knows_is_answered_with_the_cause(http: httpx.Client, graph: Graph) -> None:
    count_events(graph.store, {"NO": ["i21", "i21", "i22"]})
    deadline = time.monotonic() + 30
    home = row(ask(http, "home?user_id=nobody", timeout_ms=10_000))
    while home["fallback"] != "trending" and time.monotonic() < deadline:  # it is read every 2 s
        time.sleep(0.1)
        home = row(ask(http, "home?user_id=nobody", timeout_ms=10_000))
    assert (home["fallback"], home["fallback_cause"]) == ("trending", "unknown_user")
    similar = row(ask(http, "similar?item_id=nothing", timeout_ms=10_000))
    assert (similar["fallback"], similar["fallback_cause"]) == ("trending", "unknown_item")
    stranger = {**RANK, "user_id": "nobody", "item_ids": ["x3", "x1", "x2"]}
    ranked = row(http.post("/api/recommendations/rank", json=stranger))
    assert (ids(ranked), ranked["fallback_cause"]) == ([], "unknown_user")  # what nobody knows, nobody may see
    http.post("/api/items", json=[{"item_id": f"x{n}"} for n in (1, 2, 3)]).raise_for_status()
    ranked = row(http.post("/api/recommendations/rank", json=stranger))
    assert (ids(ranked), ranked["fallback_cause"]) == (["x3", "x1", "x2"], "unknown_user")
    for path in ("/api/items/nothing", "/api/users/nobody-at-all"):
        refused(http.get(path), "nothing" if "items" in path else "nobody-at-all", status=404)


@pytest.mark.slow
def test_a_session_of_a_hundred_thousand_events_is_answered_as_quickly(http: httpx.Client, graph: Graph) -> None:
    def cost(session_id: str) -> float:
        """CPU seconds of an answer, the least of five."""
        costs = []
        for _ in range(5):
            started = time.process_time()
            answer = row(ask(http, "home", session_id=session_id, timeout_ms=10_000))
            costs.append(time.process_time() - started)
            assert (len(answer["items"]), answer["fallback"]) == (20, None)
        return min(costs)

    def send(session_id: str, first: int, num: int) -> None:
        events = [{"item_id": f"i{n % 30}", "event_type": "view", "session_id": session_id} for n in range(num)]
        named = [{**event, "interaction_id": f"{session_id}-{first + n}"} for n, event in enumerate(events)]
        assert row(http.post("/api/interactions", json=named))["accepted"] == num

    send("short", 0, 1_000)
    before = cost("short")
    for batch in range(100):
        send("long", 1_000 * batch, 1_000)
    assert cost("long") < 3 * before + 0.02
    [user] = graph.store.fetch(["session:long"]).users
    assert len(user.history) <= 2 * HISTORY_LIMIT


def test_a_url_has_its_bounds(http: httpx.Client) -> None:
    refused(get_long(http, "/api/recommendations/home?user_id=" + "u" * 32_768), "16384", status=414)
    refused(get_long(http, "/" + "x" * 32_768), "16384", status=414)
    for size in (65_536, 500_000):  # which the HTTP parser itself does not take
        assert get_long(http, "/api/recommendations/home?user_id=" + "u" * size).status_code in (400, 414)
    refused(http.get("/api/recommendations/home?user_id=" + "u" * 8_000), "query.user_id", "at most 128")


def test_headers_have_their_bounds(http: httpx.Client) -> None:
    many = {f"X-Header-{number}": "v" for number in range(1_000)}
    refused(http.get("/api/health", headers=many), "100", status=431)
    refused(http.get("/api/health", headers={"Cookie": "c" * 100_000}), "16384", status=431)
    assert http.get("/api/health", headers={"Cookie": "c" * 8_000}).status_code == 200


@pytest.mark.parametrize(
    "query",
    [
        "user_id=a&user_id=b",
        "user_id=u1&limit=1&limit=200",
        "user_id=a&user_id=a",
        "&a&a",
        "user_id=a&user%5Fid=b",
        "a+b=1&a%20b=1",
    ],
)
def test_a_parameter_stands_once(http: httpx.Client, query: str) -> None:
    refused(http.get(f"/api/recommendations/home?{query}"), "it stands 2 times. Send each parameter once.")


def test_a_member_stands_once(http: httpx.Client) -> None:
    body = b'{"user_id": "u1", "user_id": "u2", "item_ids": ["i1"]}'
    refused(http.post("/api/recommendations/rank", content=body), "user_id", "more than once")
    inside = b'{"user_id": "u1", "pins": {"0": "i1", "0": "i2"}}'
    refused(http.post("/api/recommendations/home", content=inside), "body.0", "more than once")
    deeper = b'{"user_id": "u1", "boosts": [{"filter": "year > 1", "add": 1, "add": 2}]}'
    refused(http.post("/api/recommendations/home", content=deeper), "body.add", "more than once")


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[" * 100_000, b'{"user_id": NaN}', b'{"user_id": "\\ud800"}', b"\xff\xfe"]
)
def test_what_is_no_json_is_said(http: httpx.Client, body: bytes) -> None:
    for path in ("/api/recommendations/rank", "/api/interactions", "/api/items"):
        refused(http.post(path, content=body), "the body is", status=400)
    refused(http.put("/api/items/i1", content=body), "the body is", status=400)


@pytest.mark.parametrize("bytes_", ["%ED%A0%80", "%FF", "%C3", "%C3%28"])
def test_bytes_that_are_no_text_are_not_taken_for_an_id(http: httpx.Client, bytes_: str) -> None:
    """Read as U+FFFD they would make one user of several."""
    refused(http.get(f"/api/recommendations/home?user_id={bytes_}"), "the query is not UTF-8", status=400)
    refused(http.get(f"/api/recommendations/search?q={bytes_}"), "the query is not UTF-8", status=400)
    refused(http.put(f"/api/items/{bytes_}", json={}), "the path is not UTF-8", status=400)


def test_nul_is_a_character_like_any_other(http: httpx.Client) -> None:
    for user_id in ("nul", "nul\x00", "nul\x00a"):
        assert (
            row(http.get("/api/recommendations/home", params={"user_id": user_id, "timeout_ms": 10_000}))[
                "freshness_ms"
            ]
            is None
        )
        assert row(http.post("/api/interactions", json={**EVENT, "user_id": user_id}))["accepted"] == 1
    http.put("/api/items/nul%00", json={"title": "a\x00b"}).raise_for_status()
    assert http.get("/api/items/nul%00").json()["title"] == "a\x00b"
    refused(http.get("/api/items/nul"), "nul", status=404)
    assert row(ask(http, "search", q="a\x00b", timeout_ms=10_000)) is not None


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_only_the_whole_user_is_put_patched_and_forgotten(http: httpx.Client, method: str) -> None:
    """Who asks to delete `u1/data` means the data of `u1`, and must not think that it is gone."""
    answer = http.request(method, "/api/users/u1/data", json={})
    refused(answer, "DELETE /api/users/ID", status=405)
    assert answer.headers["allow"] == "GET"


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/api/items/i1", "DELETE, GET, PATCH, PUT"),
        ("/api/users/u1", "DELETE, GET, PATCH, PUT"),
        ("/api/health", "GET"),
    ],
)
def test_every_method_that_is_taken_is_named(http: httpx.Client, path: str, allowed: str) -> None:
    answer = http.request("OPTIONS", path)
    refused(answer, allowed, status=405)
    assert answer.headers["allow"] == allowed


def test_raw_bytes_are_utf8_too() -> None:
    scope = {"path": "/", "raw_path": b"/", "query_string": b"user_id=\xff\xfe"}
    with pytest.raises(HttpError, match="the query is not UTF-8"):
        check_text(scope)
    check_text({**scope, "query_string": "user_id=é&a%20b=1".encode()})
