"""What a body may be: gzip within bounds, JSON without tricks; and what it costs to find out."""

from __future__ import annotations

import gc
import gzip
import json
import random
import time
import tracemalloc
import zlib
from collections.abc import AsyncIterator
from typing import Any

import httpx
import orjson
import pytest

from serve_apps.http.bodies import MAX_BODY_BYTES
from serve_apps.http.strict_json import MAX_DEPTH, RepeatedKey, parse_json
from tests.cluster.online.store_suite import logged
from tests.serve_apps.conftest import Server

EVENT = {"user_id": "u1", "item_id": "i1", "event_type": "click"}
GZIP = {"Content-Encoding": "gzip"}


def _post(server: Server, body: Any, headers: dict[str, str] = GZIP) -> httpx.Response:
    return server.http.post("/api/interactions", content=body, headers=headers)


def _code(answer: httpx.Response, status: int) -> str:
    assert answer.status_code == status, answer.text
    return str(answer.json()["error"]["code"])


@pytest.mark.parametrize("name", ["gzip", "x-gzip", "GZIP", "identity", ""])
def test_a_batch_may_come_packed(server: Server, name: str) -> None:
    body = orjson.dumps([{**EVENT, "interaction_id": f"{n}"} for n in range(500)])
    packed = gzip.compress(body) if "gzip" in name.lower() else body
    assert _post(server, packed, {"Content-Encoding": name} if name else {}).json()["accepted"] == 500


def test_a_packed_body_may_come_in_pieces(server: Server) -> None:
    packed = gzip.compress(orjson.dumps(EVENT))

    async def pieces() -> AsyncIterator[bytes]:
        for at in range(len(packed)):
            yield packed[at : at + 1]

    assert _post(server, pieces()).json()["accepted"] == 1
    packed += b"?"
    assert _code(_post(server, pieces()), 400) == "not_gzip"


@pytest.mark.parametrize("name", ["br", "deflate", "zstd", "gzip, gzip", "compress"])
def test_an_unknown_encoding_is_named(server: Server, name: str) -> None:
    answer = _post(server, gzip.compress(orjson.dumps(EVENT)), {"Content-Encoding": name})
    assert _code(answer, 415) == "unknown_encoding"
    assert repr(name) in answer.json()["error"]["message"]
    assert answer.headers["accept-encoding"] == "gzip"


@pytest.mark.parametrize(
    ("packed", "message"),
    [
        (orjson.dumps(EVENT), "not gzip"),
        (zlib.compress(orjson.dumps(EVENT)), "not gzip"),
        (gzip.compress(orjson.dumps(EVENT))[:-9], "ends too early"),
        (gzip.compress(orjson.dumps(EVENT))[:-8] + b"\0" * 8, "incorrect data check"),
        (gzip.compress(orjson.dumps(EVENT)) + b"more", "after the end"),
        (gzip.compress(orjson.dumps(EVENT)) * 2, "after the end"),
        (gzip.compress(b"") * 50_000, "after the end"),
    ],
    ids=["text", "zlib", "cut", "sum", "more", "twice", "often"],
)
def test_what_is_not_one_gzip_stream_is_refused(server: Server, packed: bytes, message: str) -> None:
    answer = _post(server, packed)
    assert _code(answer, 400) == "not_gzip"
    assert message in answer.json()["error"]["message"]
    assert logged(server.store) == []


def test_the_bound_holds_for_what_is_unpacked(server: Server) -> None:
    body = orjson.dumps(EVENT)
    assert _post(server, gzip.compress(body.ljust(MAX_BODY_BYTES))).json()["accepted"] == 1
    answer = _post(server, gzip.compress(body.ljust(MAX_BODY_BYTES + 1)))
    assert _code(answer, 413) == "body_too_large"
    assert "unpacked" in answer.json()["error"]["message"]


def test_a_bomb_costs_neither_memory_nor_time(server: Server) -> None:
    """900 MiB of zeros in 1 MiB: nothing but the first MiB is unpacked."""
    stream = zlib.compressobj(9, zlib.DEFLATED, 31)
    first, again = (stream.compress(bytes(1 << 20)) + stream.flush(zlib.Z_FULL_FLUSH) for _ in range(2))
    packed = first + again * 900  # blocks after a full flush stand alone
    assert len(packed) <= MAX_BODY_BYTES
    assert _code(_post(server, packed), 413)
    tracemalloc.start()
    before, started = tracemalloc.get_traced_memory()[0], time.process_time()
    assert _code(_post(server, packed), 413)
    used_s, peak = time.process_time() - started, tracemalloc.get_traced_memory()[1] - before
    tracemalloc.stop()
    assert peak < 8 * MAX_BODY_BYTES
    assert used_s < 0.25  # unpacking the whole takes about a second


def test_a_question_without_a_body_may_name_an_encoding(server: Server) -> None:
    assert server.http.get("/api/recommendations/home?user_id=u1", headers=GZIP).status_code == 200


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ('{"user_id": "a", "user_id": "b"}', "user_id"),
        ('{"user_id": "a", "x": [1, {"y": 2}], "user_id": "a"}', "user_id"),
        ('{"a": "::::", "a": ""}', "a"),
        ('{"a\\u003a": 1, "a:": 2}', "a:"),
        ('{"a": "\\u003A", "a": 1}', "a"),
        ('{"é": 1, "\\u00e9": 2}', "é"),
        ('{"": 1, "": 2}', ""),
    ],
)
def test_a_repeated_key_is_found_whatever_stands_around_it(text: str, key: str) -> None:
    assert parse_json(text.encode()) == RepeatedKey(key)


def test_without_a_repeated_key_the_value_is_that_of_orjson() -> None:
    """Seeded values with colons, escapes and numbers of every size, in both ways of reading."""
    draw = random.Random(2026)
    texts = ["", ":", "\\u003a", "a:b", "é:", '":"', "\n", "😀", "x" * 70]
    numbers = [0, -1, 2**53, -(2**63), 10**18, 1.5, 1e300, -0.0, 1e-7]

    def value(depth: int) -> Any:
        if depth == 0 or draw.random() < 0.3:
            return draw.choice([*texts, *numbers, True, False, None])
        if draw.random() < 0.5:
            return [value(depth - 1) for _ in range(draw.randint(0, 3))]
        return {draw.choice(texts) + str(n): value(depth - 1) for n in range(draw.randint(0, 4))}

    for _ in range(2_000):
        made = value(5)
        for text in (json.dumps(made), json.dumps(made, ensure_ascii=False, indent=1).replace(":", " : ", 1)):
            assert parse_json(text.encode()) == orjson.loads(text)


def test_a_long_number_is_the_same_both_ways() -> None:
    for digits in (18, 19, 20, 25, 300):
        number = "7" * digits
        fast, slow = parse_json(f"[{number}]".encode()), parse_json(f'[{number}, "\\u003a"]'.encode())
        assert slow[0] == fast[0]


def test_in_a_batch_only_the_event_with_the_repeated_key_is_rejected(server: Server) -> None:
    whole = json.dumps(EVENT)
    twice = whole[:-1] + ', "user_id": "u2"}'
    answer = _post(server, f"[{whole}, {twice}]", {}).json()
    assert [verdict["status"] for verdict in answer["results"]] == ["accepted", "rejected"]
    assert "the key 'user_id' stands more than once" in answer["results"][1]["reason"]
    for text in (twice, f'{{"interactions": [{whole}], "interactions": [{whole}]}}'):
        assert _code(_post(server, text, {}), 422) == "invalid_event"
    kinds = [type(entry).__name__ for entry in logged(server.store)]
    assert (kinds.count("Interaction"), kinds.count("Rejected")) == (1, 3)


@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}")])
def test_depth_has_a_bound(server: Server, opening: str, closing: str) -> None:
    def nested(depth: int) -> bytes:
        return (opening * depth + "1" + closing * depth).encode()

    assert not isinstance(parse_json(nested(MAX_DEPTH)), int)
    for depth in (MAX_DEPTH + 1, 1_000, 1_025, 100_000):
        assert _code(_post(server, nested(depth), {}), 400) == ("too_deep" if depth <= 1_024 else "not_json")


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity"])
def test_what_is_no_number_is_not_json(server: Server, number: str) -> None:
    body = '{"user_id": "u1", "item_id": "i1", "event_type": "rating", "rating": ' + number + "}"
    answer = _post(server, body, {})
    assert _code(answer, 400) == "not_json"
    assert "NaN and Infinity are not" in answer.json()["error"]["message"]


def test_a_number_beyond_all_bounds_is_rejected(server: Server) -> None:
    body = '{"user_id": "u1", "item_id": "i1", "event_type": "rating", "rating": 1e999}'
    assert _code(_post(server, body, {}), 400) == "not_json"
    assert logged(server.store) == []


@pytest.mark.slow
def test_no_body_costs_much_more_than_its_size() -> None:
    """The worst of a MiB each: a hundred thousand members, half of them repeated, and as many small lists."""
    members = ",".join(f'"{n % 40_000}":1' for n in range(90_000))
    gc.freeze()  # what else this process holds is not the body's price
    try:
        for body in (f"{{{members}}}", "[" + ",".join(["[]"] * 300_000) + "]", '["' + "\\u003a" * 170_000 + '"]'):
            assert len(body) <= MAX_BODY_BYTES
            started = time.thread_time()  # of this thread: others of the process may be at work
            parse_json(body.encode())
            assert time.thread_time() - started < 0.5
    finally:
        gc.unfreeze()
