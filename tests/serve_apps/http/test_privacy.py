"""Forgotten, shown, refused: by HTTP, over a real registry and a real store."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from cluster.consuming.sink import sink
from cluster.delta.lake import Lake
from cluster.online.consent import set_consent
from models.exposures import Exposure
from models.privacy import ANONYMOUS_ID
from tests.cluster.online.store_suite import logged
from tests.serve_apps.conftest import Server, ids


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOAL_HOME", str(tmp_path / "home"))


def unzipped(server: Server, user_id: str) -> dict[str, list[dict[str, Any]]]:
    answer = server.http.get(f"/api/users/{user_id}/data")
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/zip"
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        texts = {name: archive.read(name).decode() for name in archive.namelist()}
    assert "store/history.jsonl" in texts.pop("README.txt")
    return {name: [json.loads(line) for line in text.splitlines()] for name, text in texts.items()}


def test_a_deleted_user_is_a_stranger_in_the_very_next_answer(server: Server) -> None:
    server.send("u3", "i9", "click", country="NO")
    before = server.home("u3")
    assert before["fallback"] is None
    answer = server.http.request("DELETE", "/api/users/u3")
    assert answer.status_code == 202
    assert set(answer.json()) == {"erasure_id", "subject", "requested_at"}
    after = server.home("u3")
    # The bundle was trained with `u3`, and must not be asked about it.
    assert (after["fallback_cause"], after["freshness_ms"]) == ("unknown_user", None)
    assert server.http.request("DELETE", "/api/users/u3").status_code == 202


def test_what_a_deleted_user_does_next_counts_from_nothing(server: Server) -> None:
    server.send("u3", "i9", "click")
    server.http.request("DELETE", "/api/users/u3")
    server.send("u3", "i20", "click")
    answer = server.home("u3", limit=50)
    assert answer["fallback"] is None
    assert "i20" not in ids(answer)
    assert "i9" in ids(answer)


def test_an_id_with_a_slash_and_one_that_is_too_long(server: Server) -> None:
    assert server.http.request("DELETE", "/api/users/a/b").status_code == 202
    answer = server.http.request("DELETE", f"/api/users/{'x' * 129}")
    assert answer.status_code == 422
    assert answer.json()["error"]["code"] == "invalid_request"


def test_the_data_is_all_that_is_held(server: Server, tmp_path: Path) -> None:
    server.send("ann", "i1", "click", country="NO")
    server.send("bob", "i2", "click")
    sink(server.store, Lake(str(tmp_path / "home" / "lake")))
    server.send("ann", "i3", "like")
    held = unzipped(server, "ann")
    assert [row["item_id"] for row in held["store/history.jsonl"]] == ["i1", "i3"]
    assert [row["entry"]["item_id"] for row in held["store/event_log.jsonl"]] == ["i1", "i3"]
    assert [row["item_id"] for row in held["lake/interactions.jsonl"]] == ["i1"]
    assert held["store/profile.jsonl"][0]["country"] == "NO"
    assert "bob" not in json.dumps(held)
    assert not any(unzipped(server, "nobody").values())


def test_who_refuses_gets_what_is_popular_in_their_country(server: Server) -> None:
    for n in range(3):
        server.send("u3", f"i{20 + n}", "click", country="NO")
    set_consent(server.store, ["u3"], False)
    answer = server.home("u3", limit=3)
    assert (answer["fallback_cause"], answer["freshness_ms"]) == ("personalization_off", None)
    assert ids(answer) == ["i5", "i6", "i7"]
    server.send("u3", "i5", "click")
    server.send("u3", "i6", "hide")
    assert ids(server.home("u3", limit=3)) == ["i5", "i6", "i7"]
    assert server.row("similar", item_id="i1", user_id="u3")["fallback"] is None


def test_what_who_refuses_was_shown_is_recorded_without_them(server: Server) -> None:
    set_consent(server.store, ["u3"], False)
    shown_id = server.home("u3")["recommendation_id"]
    shown: list[Exposure] = []
    while not shown:  # recorded after the answer
        shown = [entry for entry in logged(server.store) if isinstance(entry, Exposure)]
    assert [(e.recommendation_id, e.user_id, e.fallback) for e in shown] == [(shown_id, ANONYMOUS_ID, "popular")]


def test_consent_given_back_is_in_the_next_answer(server: Server) -> None:
    set_consent(server.store, ["u3"], False)
    assert server.home("u3")["fallback_cause"] == "personalization_off"
    set_consent(server.store, ["u3"], True)
    assert server.home("u3")["fallback"] is None
