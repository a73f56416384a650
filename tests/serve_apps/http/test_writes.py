"""Events in: one or many, each with its verdict, nothing good lost beside something bad."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from models.events import Interaction
from serve_apps.http.door_options import DoorOptions
from serve_apps.http.event_times import EventTimes
from tests.cluster.online.store_suite import logged
from tests.serve_apps.conftest import Serve, Server

EVENT = {"user_id": "u1", "item_id": "i1", "event_type": "click"}


def _logged(server: Server) -> list[Interaction]:
    return [entry for entry in logged(server.store) if isinstance(entry, Interaction)]


def _refused(server: Server, body: Any, path: str = "/api/interactions") -> str:
    answer = server.http.post(path, content=json.dumps(body))
    assert answer.status_code == 422
    assert set(answer.json()) == {"error"}
    assert set(answer.json()["error"]) == {"code", "message", "details"}
    assert _logged(server) == []
    return str(answer.json()["error"]["message"])


def test_one_event_is_kept_whole(server: Server) -> None:
    moment = datetime.now(UTC) - timedelta(days=30)
    sent = {
        **EVENT,
        "event_type": "rating",
        "rating": 4.5,
        "timestamp": moment.isoformat(),
        "interaction_id": "e1",
        "session_id": "s",
        "recommendation_id": "r",
        "position": 3,
        "country": "NO",
        "device": "phone",
    }
    assert server.http.post("/api/interactions", json=sent).json() == {
        "accepted": 1,
        "duplicates": 0,
        "rejected": 0,
        "valid": 0,
        "results": [{"index": 0, "status": "accepted", "interaction_id": "e1", "reason": None}],
    }
    [event] = _logged(server)
    assert event.timestamp == moment
    assert {name: getattr(event, name) for name in sent if name != "timestamp"} == {
        name: value for name, value in sent.items() if name != "timestamp"
    }


def test_without_a_time_the_server_says_now(server: Server) -> None:
    server.http.post("/api/interactions", json=EVENT)
    assert abs(_logged(server)[0].timestamp - datetime.now(UTC)) < timedelta(minutes=1)


def test_the_same_event_again_is_a_duplicate(server: Server) -> None:
    for event in ({**EVENT, "interaction_id": "e1"}, {**EVENT, "timestamp": datetime.now(UTC).isoformat()}):
        first, second = (server.http.post("/api/interactions", json=event).json() for _ in range(2))
        assert (first["accepted"], second["duplicates"]) == (1, 1)
        assert first["results"][0]["interaction_id"] == second["results"][0]["interaction_id"]
        assert "an id is remembered for 7 days" in second["results"][0]["reason"]
    assert len(_logged(server)) == 2


@pytest.mark.parametrize("named", [True, False])
def test_the_good_events_of_a_batch_are_kept(server: Server, named: bool) -> None:
    events = [
        EVENT,
        {**EVENT, "event_type": "lick"},
        7,
        {**EVENT, "interaction_id": "x"},
        {**EVENT, "interaction_id": "x"},
    ]
    answer = server.http.post("/api/interactions", json={"interactions": events} if named else events)
    assert answer.status_code == 200
    body = answer.json()
    assert [verdict["status"] for verdict in body["results"]] == [
        "accepted",
        "rejected",
        "rejected",
        "accepted",
        "duplicate",
    ]
    assert (body["accepted"], body["duplicates"], body["rejected"]) == (2, 1, 2)
    assert "'view', 'click'" in body["results"][1]["reason"]
    assert len(_logged(server)) == 2


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"event_type": "lick"}, "event_type: Input should be 'view', 'click', 'purchase'"),
        ({"colour": "red"}, "colour: unknown field"),
        ({"user_id": ""}, "user_id: "),
        ({"user_id": "x" * 129}, "at most 128"),
        ({"user_id": "ø" * 65}, "must be 1 to 128 bytes; got 130"),
        ({"item_id": "x" * 1_000_000}, "at most 128"),
        ({"user_id": 42}, "user_id: Input should be a valid string; got '42'"),
        ({"user_id": None}, "give user_id or, for somebody without one, session_id"),
        ({"rating": "abc"}, "rating: Input should be a valid number"),
        ({"rating": 11}, "rating must be between 0 and 10; got 11"),
        ({"position": -1}, "position: "),
        ({"position": 2**40}, "position: "),
        ({"timestamp": "2026-01-31T12:00:00"}, "no time zone"),
        ({"timestamp": "1969-01-31T12:00:00Z"}, "is not between 1970 and"),
        ({"timestamp": "50000-01-01T00:00:00Z"}, "timestamp: "),
        ({"timestamp": 1.5e18}, "timestamp: "),
        ({"timestamp": "yesterday"}, "timestamp: "),
    ],
)
def test_what_is_wrong_with_an_event_is_said(server: Server, fields: dict[str, Any], message: str) -> None:
    assert message in _refused(server, {**EVENT, **fields})


@pytest.mark.parametrize(
    ("days", "message"),
    [
        (-3_653, "is 3653 days old; at most 365 are taken here"),
        (-366, "is 366 days old"),
        (1.1, "is not between 1970 and"),
        (3_653, "is not between 1970 and"),
    ],
)
def test_a_time_far_from_now_is_refused(server: Server, days: float, message: str) -> None:
    moment = datetime.now(UTC) + timedelta(days=days)
    assert message in _refused(server, {**EVENT, "timestamp": moment.isoformat()})
    assert message in _refused(server, {**EVENT, "timestamp": moment.timestamp()})


def test_late_events_and_clocks_that_run_ahead_are_taken(server: Server) -> None:
    now = datetime.now(UTC)
    events = [{**EVENT, "timestamp": (now + timedelta(days=days)).isoformat()} for days in (-364.9, -30, 0.9)]
    assert server.http.post("/api/interactions", json=events).json()["accepted"] == 3


def test_the_bounds_of_times_are_settings(serve: Serve) -> None:
    server, now = (
        serve(door=DoorOptions(event_times=EventTimes(timedelta(minutes=1), timedelta(hours=1)))),
        datetime.now(UTC),
    )
    seconds = (-3_700, -3_500, 50, 70)
    events = [{**EVENT, "timestamp": (now + timedelta(seconds=ahead)).isoformat()} for ahead in seconds]
    results = server.http.post("/api/interactions", json=events).json()["results"]
    assert [verdict["status"] for verdict in results] == ["rejected", "accepted", "accepted", "rejected"]
    assert "at most 60 s are taken" in results[3]["reason"]


@pytest.mark.parametrize(
    "text",
    [
        "👩‍👩‍👧‍👦" * 5,  # 25 bytes each: 125
        "مستخدم-٤٢",
        "\u202eabc\u202c",  # a direction that is turned round
        "e\u0301",  # two code points, and not the one of é
        " space and\ttab ",
        "日本語/../%2F?#",
        "\x00",
        "ø" * 64,
    ],
)
def test_ids_go_through_as_they_are(server: Server, text: str) -> None:
    event = {**EVENT, **dict.fromkeys(("user_id", "item_id", "interaction_id", "session_id"), text)}
    assert server.http.post("/api/interactions", json=event).json()["results"][0]["interaction_id"] == text
    [kept] = _logged(server)
    assert (kept.user_id, kept.item_id, kept.interaction_id, kept.session_id) == (text,) * 4
    assert [seen.item_id for seen in server.store.users([text])[0].history] == [text]


def test_an_id_of_129_bytes_is_refused_in_any_script(server: Server) -> None:
    for text in ("x" * 129, "ø" * 64 + "x", "😀" * 32 + "x"):
        assert len(text.encode()) == 129
        assert "128" in _refused(server, {**EVENT, "user_id": text})


@pytest.mark.parametrize("path", ["/api/interactions", "/api/feedback"])
def test_validating_gives_the_verdicts_and_writes_nothing(server: Server, path: str) -> None:
    good = {**EVENT, "recommendation_id": "r", "interaction_id": "x"}
    events = [good, {**good, "event_type": "lick"}, good, {**good, "interaction_id": "y"}]
    for _ in range(2):
        body = server.http.post(f"{path}?validate_only=true", json=events).json()
        assert [verdict["status"] for verdict in body["results"]] == ["valid", "rejected", "duplicate", "valid"]
        assert (body["accepted"], body["duplicates"], body["rejected"], body["valid"]) == (0, 1, 1, 2)
        assert _logged(server) == []
    assert server.http.post(f"{path}?validate_only=false", json=events).json()["accepted"] == 2
    assert len(_logged(server)) == 2


def test_a_misspelt_query_writes_nothing(server: Server) -> None:
    for query in ("validate_onyl=true", "validate_only=maybe", "validate_only="):
        answer = server.http.post(f"/api/interactions?{query}", json=EVENT)
        assert answer.status_code == 422
        assert "validate_on" in answer.json()["error"]["message"]
    assert _logged(server) == []


@pytest.mark.parametrize("body", [3, None, True, 1.5, "text"])
def test_json_that_is_not_an_object_is_named(server: Server, body: Any) -> None:
    assert "Send a JSON object" in _refused(server, body)


@pytest.mark.parametrize("body", [[], {"interactions": []}, [EVENT] * 1_001])
def test_a_batch_has_bounds(server: Server, body: Any) -> None:
    assert "1 to 1000 events" in _refused(server, body)


@pytest.mark.parametrize("body", [b"", b"{", b"\xff\xfe", b'{"user_id": NaN}', b"[" * 100_000, b'{"a": "\\ud800"}'])
def test_what_is_not_json_is_named(server: Server, body: bytes) -> None:
    answer = server.http.post("/api/interactions", content=body)
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "not_json"
    assert _logged(server) == []


def test_feedback_carries_the_recommendation_back(server: Server) -> None:
    shown = server.home("u1")
    event = {**EVENT, "recommendation_id": shown["recommendation_id"], "position": 1}
    assert server.http.post("/api/feedback", json=event).json()["accepted"] == 1
    assert _logged(server)[0].recommendation_id == shown["recommendation_id"]


def test_feedback_without_a_recommendation_is_refused(server: Server) -> None:
    assert "recommendation_id: this field is needed" in _refused(server, EVENT, "/api/feedback")
