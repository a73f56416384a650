"""Rows: who gets which, why each item is in it, and that an event shows in the very next one."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from cluster.online.store import OnlineUser
from cluster.registry import Registry
from models.experiments import Experiment, Variant
from models.exposures import Exposure
from models.rank_fusion import reciprocal_rank_fusion
from models.recommender import Recommender
from models.text_index import Text, TextIndex
from serve_apps.chain.messages import HomeQuery, SimilarQuery
from tests.cluster.online.store_suite import logged
from tests.serve_apps.conftest import Serve, Server, ids
from tests.serve_apps.sample_bundle import NORWAY_ITEMS, publish


@pytest.fixture(scope="module")
def recommender(sample_registry: str) -> Recommender:
    return Recommender.load(Registry(sample_registry).fetch("v1"), "v1")


def test_a_known_user_is_answered_by_the_model(server: Server) -> None:
    answer = server.home("u1")
    assert set(answer) == {
        "recommendation_id",
        "items",
        "variant",
        "model_version",
        "fallback",
        "fallback_cause",
        "freshness_ms",
        "next_cursor",
    }
    assert (answer["variant"], answer["model_version"], answer["fallback"]) == ("model", "v1", None)
    assert answer["freshness_ms"] is None
    assert [item["rank"] for item in answer["items"]] == list(range(1, 21))
    scores = [item["score"] for item in answer["items"]]
    assert scores == sorted(scores, reverse=True)
    assert {item["source"] for item in answer["items"]} == {"model"}
    assert {item["reason"] for item in answer["items"]} == {"Based on your earlier activity"}
    first = answer["items"][0]
    assert first["metadata"]["title"] == f"Title {first['item_id'][1:]}"
    assert answer["recommendation_id"] != server.home("u1")["recommendation_id"]


def test_a_stranger_gets_popular_items_that_say_so(server: Server) -> None:
    answer = server.home("nobody", limit=3)
    assert (answer["fallback_cause"], ids(answer)) == ("unknown_user", ["i0", "i1", "i2"])
    assert {(item["source"], item["reason"]) for item in answer["items"]} == {("popularity", "Popular")}


def test_a_newcomer_of_whom_attributes_are_known_is_answered_by_the_model(serve: Serve, tmp_path: Path) -> None:
    registry = Registry(str(tmp_path / "registry"))
    publish(registry, "v1", profiles=True)
    registry.promote("v1")
    server = serve(registry.uri)
    server.store.warm({"ann": OnlineUser(attributes={"age": "25"}), "bob": OnlineUser(attributes={"age": "60"})})
    ann, bob = server.home("ann"), server.home("bob")
    assert (ann["fallback"], bob["fallback"]) == (None, None)
    assert ids(ann) != ids(bob)
    assert {item["reason"] for item in ann["items"]} == {"Chosen for you"}
    assert server.home("nobody")["fallback_cause"] == "unknown_user"


def test_a_reason_names_the_country_only_for_items_of_its_list(server: Server) -> None:
    answer = server.home("nobody", limit=NORWAY_ITEMS + 1, country="NO")
    assert ids(answer) == ["i5", "i6", "i7", "i0"]
    assert [item["reason"] for item in answer["items"]] == ["Popular in NO"] * NORWAY_ITEMS + ["Popular"]


def test_a_click_changes_the_next_row_and_is_its_reason(server: Server) -> None:
    before = server.home("u1")
    clicked = ids(before)[0]
    server.send("u1", clicked, "click")
    after = server.home("u1")
    assert clicked not in ids(after)
    assert ids(after) != ids(before)[1:]
    assert {item["reason"] for item in after["items"]} == {f"Because you clicked Title {clicked[1:]}"}
    assert 0 <= after["freshness_ms"] < 60_000


def test_a_stranger_is_known_after_one_event(server: Server) -> None:
    server.send("new", "i9", "like")
    answer = server.home("new")
    assert answer["fallback"] is None
    assert {item["reason"] for item in answer["items"]} == {"Because you liked Title 9"}


def test_each_reason_is_the_nearest_of_the_history(server: Server, recommender: Recommender) -> None:
    done = {"i3": "viewed", "i20": "bought", "i41": "rated"}
    for item_id, event_type in (("i3", "view"), ("i20", "purchase"), ("i41", "rating")):
        server.send("u2", item_id, event_type, rating=4 if event_type == "rating" else None)
    vectors = recommender.item_vectors()
    named = set()
    for item in server.home("u2")["items"]:
        row = int(item["item_id"][1:])
        nearest = max(done, key=lambda cause: float(vectors[row] @ vectors[int(cause[1:])]))
        assert item["reason"] == f"Because you {done[nearest]} Title {nearest[1:]}"
        named.add(nearest)
    assert len(named) > 1


@pytest.mark.parametrize("event_type", ["hide", "dislike"])
def test_a_hidden_item_is_gone_from_every_row(server: Server, event_type: str) -> None:
    hidden = ids(server.home("u3"))[0]
    neighbour = ids(server.row("similar", item_id="i4"))[0]
    for item_id in (hidden, neighbour):
        server.send("u3", item_id, event_type)
    assert hidden not in ids(server.home("u3", limit=200))
    assert neighbour not in ids(server.row("similar", item_id="i4", user_id="u3", limit=200))
    assert neighbour in ids(server.row("similar", item_id="i4"))


def test_seen_items_may_come_back_when_asked_but_not_the_last_one_or_a_hidden_one(serve: Serve) -> None:
    server = serve(exclude_seen=False)
    now = datetime.now(UTC)
    for minutes, (item_id, event_type) in enumerate([("i1", "click"), ("i2", "hide"), ("i3", "click")]):
        server.send("u4", item_id, event_type, timestamp=(now + timedelta(minutes=minutes)).isoformat())
    shown = ids(server.home("u4", limit=200))
    assert ("i1" in shown, "i2" in shown, "i3" in shown) == (True, False, False)


def test_who_has_seen_everything_gets_popular_items_again_but_no_hidden_one(server: Server) -> None:
    events = [{"user_id": "u5", "item_id": f"i{n}", "event_type": "click" if n else "hide"} for n in range(60)]
    assert server.http.post("/api/interactions", json=events).json()["accepted"] == 60
    answer = server.home("u5", limit=3)
    assert (answer["fallback_cause"], ids(answer)) == ("nothing_found", ["i1", "i2", "i3"])


def test_similar_items_are_the_nearest_and_leave_out_the_item(server: Server, recommender: Recommender) -> None:
    answer = server.row("similar", item_id="i7", limit=5)
    products = recommender.item_vectors() @ recommender.item_vectors()[7]
    nearest = [f"i{row}" for row in np.argsort(-products) if row != 7]
    index = TextIndex(Text(f"i{n}", f"Title {n}", [f"c{n % 7}", f"c{n % 11}"]) for n in range(60))
    alike = [item_id for item_id, _ in index.search("Title 7 c0 c7", 51) if item_id != "i7"]
    assert ids(answer) == list(reciprocal_rank_fusion([nearest, alike]))[:5]
    assert (answer["variant"], answer["fallback"]) == ("similar", None)
    assert {item["reason"] for item in answer["items"]} == {"Similar to Title 7"}


def test_an_unknown_item_gets_popular_items_that_say_so(server: Server) -> None:
    answer = server.row("similar", item_id="nothing", limit=2)
    assert (answer["fallback_cause"], ids(answer)) == ("unknown_item", ["i0", "i1"])


def test_variants_answer_by_their_source_and_version(serve: Serve) -> None:
    variants = (Variant("pop", 1, "popularity"), Variant("new", 1), Variant("pinned", 1, version="v2"))
    experiment = Experiment("salt", variants)
    server = serve(experiment=experiment)
    seen = set()
    for n in range(12):
        user_id = f"u{n}"
        answer = server.home(user_id, limit=2)
        assert answer["variant"] == experiment.assign(user_id).name
        assert answer["fallback"] is None
        seen.add((answer["variant"], answer["model_version"], answer["items"][0]["source"]))
    assert seen == {("pop", "v1", "popularity"), ("new", "v1", "model"), ("pinned", "v2", "model")}


def test_what_was_shown_is_recorded_with_its_probability(serve: Serve) -> None:
    variants = (Variant("pop", 1, "popularity"), Variant("model", 3))
    server = serve(experiment=Experiment("salt", variants))
    answers = [server.home("u1", limit=4), server.row("similar", item_id="i1", limit=4, user_id="u1")]
    exposures = exposures_of(server, 2)
    for answer, exposure in zip(answers, exposures, strict=True):
        assert exposure.recommendation_id == answer["recommendation_id"]
        assert (exposure.user_id, exposure.variant) == ("u1", answer["variant"])
        assert (exposure.model_version, exposure.fallback) == (answer["model_version"], answer["fallback"])
        assert list(exposure.item_ids) == ids(answer)
    shares = {"pop": 0.25, "model": 0.75}
    assert [e.surface for e in exposures] == ["home", "similar"]
    assert [e.propensity for e in exposures] == [shares[answers[0]["variant"]], 1.0]


def test_a_batch_is_answered_in_order(serve: Serve) -> None:
    server = serve(experiment=Experiment("salt", (Variant("pop", 1, "popularity"), Variant("model", 1))))
    queries = [
        HomeQuery("u1", 2),
        SimilarQuery("i3", 1),
        HomeQuery("nobody", 4),
        SimilarQuery("?", 5),
        HomeQuery("u2", 3),
    ]
    bodies = asyncio.run(server.router.recommend(queries))
    assert [body.count(b'"item_id"') for body in bodies] == [2, 1, 4, 5, 3]


def exposures_of(server: Server, num: int) -> list[Exposure]:
    """Exposures are appended after the answer, so they may be a moment away."""
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        found = [entry for entry in logged(server.store) if isinstance(entry, Exposure)]
        if len(found) >= num:
            return found
        time.sleep(0.01)
    raise AssertionError(f"{num} exposures were not recorded")
