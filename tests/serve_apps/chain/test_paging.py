"""Pages of home: one list, cut up, that stays what it is whatever comes between, whoever answers."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cluster.registry import Registry
from models.errors import BundleError, NotFoundError, StoreError
from models.experiments import Experiment, Variant
from models.selection import parse_rules
from serve_apps.chain import cursors
from tests.serve_apps.chain.test_rows import exposures_of
from tests.serve_apps.chain.test_select import HOME, asked
from tests.serve_apps.conftest import Serve, Server, ids
from tests.serve_apps.sample_bundle import publish

pytestmark = pytest.mark.slow

NUM_ITEMS = 60


def following(server: Server, answer: dict[str, Any], user_id: str = "u1", **query: Any) -> dict[str, Any]:
    return server.home(user_id, cursor=answer["next_cursor"], **query)


def pages(server: Server, first: dict[str, Any], user_id: str = "u1", **query: Any) -> list[dict[str, Any]]:
    """All pages from the first on."""
    found = [first]
    while found[-1]["next_cursor"] is not None:
        found.append(following(server, found[-1], user_id, **query))
        assert len(found) <= NUM_ITEMS
    return found


def all_ids(answers: Sequence[dict[str, Any]]) -> list[str]:
    return [item_id for answer in answers for item_id in ids(answer)]


def test_pages_together_are_the_list(server: Server) -> None:
    whole = server.home("u1", limit=NUM_ITEMS)
    assert whole["next_cursor"] is None
    found = pages(server, server.home("u1", limit=25), limit=25)
    assert all_ids(found) == ids(whole)
    assert [len(ids(one)) for one in found] == [25, 25, 10]
    items = [item for answer in found for item in answer["items"]]
    assert [item["rank"] for item in items] == list(range(1, NUM_ITEMS + 1))
    assert items == whole["items"]
    assert len({answer["recommendation_id"] for answer in found}) == 1
    assert {(one["variant"], one["model_version"], one["fallback"]) for one in found} == {("model", "v1", None)}


def test_what_was_shown_on_each_page_is_recorded_as_one_recommendation(serve: Serve) -> None:
    rules = parse_rules({"exploration": {"plackett_luce": 0.5}})
    variants = (Variant("model", 1, selection=rules), Variant("other", 3, selection=rules))
    server = serve(experiment=Experiment("salt", variants))
    found = pages(server, server.home("u1", limit=25), limit=20)
    shown = exposures_of(server, 3)
    assert [exposure.num_above for exposure in shown] == [None, 25, 45]
    assert {exposure.recommendation_id for exposure in shown} == {found[0]["recommendation_id"]}
    assert {exposure.propensity for exposure in shown} == {0.25 if found[0]["variant"] == "model" else 0.75}
    for answer, exposure in zip(found, shown, strict=True):
        assert list(exposure.item_ids) == ids(answer)
        assert len(exposure.propensities or ()) == len(ids(answer))
        assert all(0 < chance <= 1 for chance in exposure.propensities or ())


def test_events_between_change_nothing_but_what_may_be_seen(server: Server) -> None:
    whole = ids(server.home("u1", limit=NUM_ITEMS))
    first = server.home("u1", limit=10)
    server.send("u1", whole[2], "click")
    server.send("u1", whole[30], "purchase")
    server.send("u1", whole[12], "hide")
    server.http.request("DELETE", f"/api/items/{whole[14]}").raise_for_status()
    server.http.request("PUT", f"/api/items/{whole[15]}", json={"available": False}).raise_for_status()
    server.http.request("PUT", f"/api/items/{whole[16]}", json={"countries": ["NO"]}).raise_for_status()
    second = following(server, first, limit=10)
    gone = {whole[at] for at in (12, 14, 15, 16)}
    assert ids(second) == [one for one in whole[10:] if one not in gone][:10]
    assert [item["rank"] for item in second["items"]] == list(range(11, 21))
    assert all_ids(pages(server, second, limit=10)) == [one for one in whole[10:] if one not in gone]
    assert (
        ids(following(server, first, limit=10, filter="year < 2000"))
        == [one for one in whole[10:] if one not in gone and int(one[1:]) % 30 < 10][:10]
    )


def test_another_replica_goes_on(serve: Serve) -> None:
    one, other = serve(), serve()
    first = one.home("u1", limit=20)
    assert ids(following(other, first)) == ids(following(one, first))


def test_a_cursor_of_a_bundle_that_is_not_loaded_yet_comes_back_until_it_is(serve: Serve) -> None:
    of_v2 = serve(experiment=Experiment("salt", (Variant("pinned", 1, version="v2"),)))
    first = of_v2.home("u1", limit=20)
    server = serve()
    early = following(server, first)
    assert (ids(early), early["fallback_cause"]) == ([], "retrieval_late")
    assert early["next_cursor"] == first["next_cursor"]
    page = following(server, early)
    assert ids(page) == ids(following(of_v2, first))
    assert (page["variant"], page["model_version"], page["fallback"]) == ("pinned", "v2", None)


def test_a_filter_that_is_late_gives_the_cursor_back(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    first, whole = server.home("u1", limit=20), server.router._catalogue.fits

    def slow(*given: Any) -> Any:
        time.sleep(0.5)
        return whole(*given)

    with monkeypatch.context() as slowed:
        slowed.setattr(server.router._catalogue, "fits", slow)
        early = following(server, first, filter="year < 2000", timeout_ms=300)
    assert (ids(early), early["fallback_cause"], early["model_version"]) == ([], "filter_late", "v1")
    assert ids(following(server, early, filter="year < 2000"))


def test_a_registry_that_fails_for_a_moment_ends_no_list_and_a_bundle_that_is_gone_does(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = serve(experiment=Experiment("salt", (Variant("pinned", 1, version="v2"),))).home("u1", limit=20)
    server = serve()

    def fails_with(error: Exception) -> dict[str, Any]:
        async def fails(_: str) -> Any:
            raise error

        with monkeypatch.context() as failing:
            failing.setattr(server.router._bundles, "get", fails)
            return following(server, first)

    early = fails_with(OSError("the disk is away"))
    assert (ids(early), early["fallback_cause"]) == ([], "retrieval_failed")
    assert early["next_cursor"] == first["next_cursor"]
    assert ids(following(server, following(server, early)))
    server = serve()
    for gone in (NotFoundError("no such version"), BundleError("it is damaged")):
        late = fails_with(gone)
        assert (late["next_cursor"], late["fallback_cause"]) == (None, "retrieval_failed")


def test_a_store_that_does_not_answer_costs_no_page(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    first = server.home("u1", limit=20)
    whole = following(server, first)

    def fails(_: Sequence[str]) -> Any:
        raise StoreError("the store is away")

    monkeypatch.setattr(server.store, "fetch", fails)
    page = following(server, first)
    assert ids(page) == ids(whole)
    assert (page["fallback"], page["fallback_cause"]) == ("cached", "store_unavailable")


def test_who_refuses_personalization_reads_no_personal_list_on(server: Server) -> None:
    first = server.home("u1", limit=20)
    server.http.request("PUT", "/api/users/u1", json={"personalization": False}).raise_for_status()
    page = following(server, first)
    assert (ids(page), page["next_cursor"], page["fallback_cause"]) == ([], None, "personalization_off")


def test_a_fallback_has_no_further_page(server: Server) -> None:
    assert server.home("nobody", limit=5)["next_cursor"] is None
    assert server.row("similar", item_id="i3", limit=5)["next_cursor"] is None


def test_what_is_marked_stays_marked(server: Server) -> None:
    plain = ids(server.home("u1", limit=NUM_ITEMS))
    first = asked(server, limit=10, pins={"12": plain[50]})
    second = following(server, first, limit=10)
    assert (ids(second)[2], second["items"][2]["mark"], second["items"][2]["reason"]) == (plain[50], "pinned", "Pinned")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda text: text[:-1] + ("A" if text[-1] != "A" else "B"), "cursor"),
        (lambda text: "x" * 20, "cursor"),
        (lambda text: "?", "is no cursor"),
        (lambda text: "x" * 8_001, "cursor"),
    ],
)
def test_a_changed_cursor_is_refused(server: Server, change: Callable[[str], str], says: str) -> None:
    cursor = change(server.home("u1")["next_cursor"])
    answer = server.http.get(HOME, params={"user_id": "u1", "cursor": cursor})
    assert answer.status_code == 422
    assert says in answer.json()["error"]["message"]


def test_a_cursor_is_for_one_user_and_for_some_time(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    first = server.home("u1")
    answer = server.http.get(HOME, params={"user_id": "u2", "cursor": first["next_cursor"]})
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "invalid_cursor")
    assert "another user's" in answer.json()["error"]["message"]
    monkeypatch.setattr(cursors, "LIFE_S", -1)
    late = server.home("u1")
    answer = server.http.get(HOME, params={"user_id": "u1", "cursor": late["next_cursor"]})
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "invalid_cursor")
    assert "has expired" in answer.json()["error"]["message"]
    body = {"user_id": "u1", "cursor": first["next_cursor"], "pins": {"0": "i1"}}
    answer = server.http.post(HOME, json=body)
    assert answer.status_code == 422
    assert "its list stands already" in answer.json()["error"]["message"]


RULES: Sequence[dict[str, Any]] = (
    {},
    {"diversity": {"mmr": 0.5}, "pins": {"1": "i3", "40": "i4"}},
    {"diversity": {"dpp": 0.5}, "caps": [{"at_most": 1, "window": 4}]},
    {"caps": [{"at_most": 2}], "promoted": ["i9", "i8"], "promoted_positions": [0, 9]},
    {"caps": [{"at_most": 1, "window": 6, "soft": True}], "buried": ["year < 2000"]},
    {"exploration": {"epsilon": 0.5}, "boosts": [{"filter": "year < 2000", "add": 1}]},
    {"exploration": {"plackett_luce": 0.3}, "caps": [{"at_most": 2, "window": 5}]},
)
IDS = [f"i{n}" for n in range(NUM_ITEMS)]


@st.composite
def bodies(draw: st.DrawFn) -> dict[str, Any]:
    """Any control that does not contradict itself, with and without a filter and a limit of age."""
    items, positions = draw(st.permutations([*IDS, "gone"])), draw(st.permutations(range(30)))
    num_pins, num_promoted = draw(st.integers(0, 3)), draw(st.integers(0, 3))
    filters = st.sampled_from(["year < 2000", 'categories ANY ("c3", "c4")', "EXISTS age_rating"])
    body: dict[str, Any] = {
        "pins": {str(at): item for at, item in zip(positions[:num_pins], items, strict=False)},
        "promoted": items[3 : 3 + num_promoted],
        "promoted_positions": positions[3 : 3 + draw(st.integers(0, 3))],
        "boosts": [{"filter": draw(filters), "multiply": 2.0, "add": 0.5}] if draw(st.booleans()) else [],
        "buried": [draw(filters)] if draw(st.booleans()) else [],
    }
    return body | draw(st.sampled_from([{}, {"filter": "year < 2005"}, {"max_age_rating": 12}]))


@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(user=st.integers(0, 19), page=st.integers(7, 40), body=bodies())
def _check(server: Server, user: int, page: int, body: dict[str, Any]) -> None:
    user_id = f"u{user}"
    whole = asked(server, user_id, limit=200, **body)
    hard = {name: body[name] for name in ("filter", "max_age_rating") if name in body}
    found = pages(server, asked(server, user_id, limit=page, **body), user_id, limit=page, **hard)
    shown = all_ids(found)
    for row in (ids(whole), shown):
        assert len(row) == len(set(row))
        assert not set(row) & {"i1", "i2", "i5", "gone"}
        assert "filter" not in body or all(int(one[1:]) % 30 < 15 for one in row)
        assert "max_age_rating" not in body or all(int(one[1:]) % 5 in (1, 2, 3) for one in row)
    if not any(item.get("mark") == "explored" for answer in (whole, *found) for item in answer["items"]):
        assert shown == ids(whole)[: len(shown)]
        # Popular items fill up the first page of a list alone.
        assert {item["source"] for item in whole["items"][len(shown) :]} <= {"popularity"}


def test_under_any_rules_no_item_comes_twice_nor_one_that_may_not_be_seen(serve: Serve) -> None:
    variants = tuple(Variant(f"v{at}", 1, selection=parse_rules(rules)) for at, rules in enumerate(RULES))
    server = serve(experiment=Experiment("any", variants))
    for user in range(20):
        server.send(f"u{user}", "i1", "click")
        server.send(f"u{user}", "i2", "hide")
    server.http.request("DELETE", "/api/items/i5").raise_for_status()
    assert {server.home(f"u{user}", limit=1)["variant"] for user in range(20)} == {one.name for one in variants}
    _check(server)


def test_a_list_is_at_most_a_hundred_items_long_or_its_first_page(serve: Serve, tmp_path: Path) -> None:
    registry = Registry(str(tmp_path / "registry"))
    registry.promote(publish(registry, "v1", num_items=260))
    server = serve(registry=registry.uri)
    assert len(all_ids(pages(server, server.home("u1", limit=30), limit=30))) == 100
    assert len(all_ids(pages(server, server.home("u1", limit=150), limit=30))) == 150
    assert len(server.home("u1", limit=20)["next_cursor"]) < 1_500
