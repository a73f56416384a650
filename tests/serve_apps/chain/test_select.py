"""Rules of home rows: pins, promotions, boosts, burials, diversity, caps and chance, by variant and by request."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from cluster.registry import Registry
from models.experiments import Experiment, Variant
from models.selection import parse_rules
from serve_apps.chain.stages.select import choose
from serve_apps.chain.surfaces import home
from serve_apps.chain.task import AnyTask
from tests.serve_apps.chain.test_rows import exposures_of
from tests.serve_apps.conftest import Serve, Server, ids
from tests.serve_apps.sample_bundle import publish

pytestmark = pytest.mark.slow

HOME = "/api/recommendations/home"


def by(**rules: Any) -> Experiment:
    """Everybody gets the model under these rules."""
    return Experiment("salt", (Variant("model", 1.0, selection=parse_rules(rules)),))


def asked(server: Server, user_id: str = "u1", **body: Any) -> dict[str, Any]:
    answer = server.http.post(HOME, json={"user_id": user_id, "timeout_ms": 10_000, **body})
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def categories(item: dict[str, Any]) -> set[str]:
    return set(item["metadata"]["categories"])


def test_without_rules_a_body_answers_what_a_query_does(server: Server) -> None:
    row, whole = asked(server, limit=60), server.home("u1", limit=60)
    assert row["items"] == whole["items"]
    assert all("mark" not in item for item in row["items"])
    assert {exposure.propensities for exposure in exposures_of(server, 2)} == {None}


def test_pins_and_promoted_items_take_their_places(server: Server) -> None:
    plain = ids(server.home("u1", limit=60))
    body = {"pins": {"0": plain[50], "3": plain[1]}, "promoted": plain[40:43], "promoted_positions": [5, 2]}
    row = asked(server, **body)
    assert [ids(row)[at] for at in (0, 3, 2, 5)] == [plain[50], plain[1], plain[40], plain[41]]
    marks = {at: (item["mark"], item["reason"]) for at, item in enumerate(row["items"]) if "mark" in item}
    pinned, promoted = ("pinned", "Pinned"), ("promoted", "Promoted")
    assert marks == {0: pinned, 3: pinned, 2: promoted, 5: promoted}
    placed = set(body["pins"].values()) | set(plain[40:42])
    assert [one for one in ids(row) if one not in placed] == [one for one in plain if one not in placed][:16]
    assert ids(asked(server)) == plain[:20]


def test_a_pin_on_what_nothing_found_says_so(serve: Serve, tmp_path: Path) -> None:
    registry = Registry(str(tmp_path / "registry"))
    registry.promote(publish(registry, "v1", num_items=260))
    server = serve(registry=registry.uri)
    found = set(ids(server.home("u1", limit=200)))
    pinned = next(f"i{n}" for n in range(260) if f"i{n}" not in found)
    item = asked(server, pins={"1": pinned})["items"][1]
    assert (item["item_id"], item["source"], item["score"]) == (pinned, "control", 0.0)


def test_what_the_user_may_not_see_is_placed_nowhere(server: Server) -> None:
    plain = ids(server.home("u1", limit=60))
    server.send("u1", plain[0], "hide")
    server.send("u1", plain[1], "click")
    server.http.request("DELETE", f"/api/items/{plain[2]}").raise_for_status()
    pins = {str(at): item_id for at, item_id in enumerate([*plain[:3], "nobody-knows-it", plain[4]])}
    row = asked(server, pins=pins, promoted=plain[:3], promoted_positions=[7, 8])
    assert ids(row)[4] == plain[4]
    assert not set(ids(row)) & {*plain[:3], "nobody-knows-it"}
    outside = asked(server, pins={"0": "i1"}, filter="year < 1990")
    assert "i1" not in ids(outside)


def test_boosts_raise_and_burials_lower_what_passes(server: Server) -> None:
    row = asked(server, limit=60, boosts=[{"filter": 'categories ANY ("c3")', "add": 10}], buried=["year < 2000"])
    groups = [(int(item["item_id"][1:]) % 30 < 10, "c3" not in categories(item)) for item in row["items"]]
    assert groups == sorted(groups)
    assert len(set(groups)) == 4
    lowered = asked(server, limit=60, boosts=[{"filter": 'categories ANY ("c3")', "multiply": 0, "add": -1}])
    assert ["c3" in categories(item) for item in lowered["items"]] == sorted(
        "c3" in categories(i) for i in row["items"]
    )


def test_a_boost_that_is_late_is_left_out_and_the_row_says_so(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = ids(server.home("u1"))
    catalogue = server.router._catalogue
    whole = catalogue.fits

    def slow(*given: Any, **options: Any) -> Any:
        time.sleep(1.2)
        return whole(*given, **options)

    monkeypatch.setattr(catalogue, "fits", slow)
    row = asked(server, timeout_ms=1_500, boosts=[{"filter": "year < 2000", "add": 10}])
    assert (ids(row), row["fallback"], row["fallback_cause"]) == (plain, None, "filter_late")
    hard = asked(server, timeout_ms=200, filter="year < 2000")
    assert (ids(hard), hard["fallback_cause"]) == ([], "filter_late")


def test_rules_that_are_late_are_left_out_and_hold_no_answer_up(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = ids(server.home("u1"))

    def slow(recommender: Any, view: Any, exclusion: Any, task: AnyTask, *given: Any) -> Any:
        if task.control.pins:
            time.sleep(5)
        return choose(recommender, view, exclusion, task, *given)

    monkeypatch.setattr(home, "choose", slow)
    started = time.monotonic()
    row = asked(server, timeout_ms=1_500, pins={"0": plain[5]})
    assert time.monotonic() - started < 4
    assert (ids(row), row["fallback"], row["fallback_cause"]) == (plain, None, "rules_late")


def test_a_variants_rules_hold_for_its_rows(serve: Serve) -> None:
    plain = ids(serve().home("u1", limit=60))
    diverse = ids(serve(experiment=by(diversity={"mmr": 0.1})).home("u1", limit=60))
    assert diverse[0] == plain[0]
    assert diverse != plain
    assert sorted(diverse) == sorted(plain)
    capped = serve(experiment=by(caps=[{"at_most": 1, "window": 3}])).home("u1", limit=12)["items"]
    assert len(capped) == 12
    for at in range(10):
        held = [name for item in capped[at : at + 3] for name in categories(item)]
        assert len(held) == len(set(held))
    fresh = serve(experiment=by(freshness={"weight": 0.5, "half_life_s": 86_400}))
    assert ids(fresh.home("u1", limit=60)) == plain  # nothing is known of when they came


def test_a_request_overrules_what_is_pinned_for_all(serve: Serve) -> None:
    server = serve(experiment=by(pins={"0": "i7", "2": "i9"}, buried=["year < 2000"]))
    plain = server.home("u1", limit=60)
    assert [ids(plain)[at] for at in (0, 2)] == ["i7", "i9"]
    row = asked(server, limit=60, pins={"0": "i8", "5": "i9"})
    assert [ids(row)[at] for at in (0, 5)] == ["i8", "i9"]
    assert sum("mark" in item for item in row["items"]) == 2
    old = [int(item["item_id"][1:]) % 30 < 10 for item in row["items"] if "mark" not in item]
    assert old == sorted(old)


def test_chance_is_told_and_recorded_with_its_probability(serve: Serve) -> None:
    server = serve(experiment=by(exploration={"epsilon": 0.9, "positions": [1, 2]}, pins={"0": "i7"}))
    rows = [server.home("u1", limit=5) for _ in range(12)]
    assert len({tuple(ids(row)) for row in rows}) > 1  # each recommendation draws for itself
    explored = [item for row in rows for item in row["items"] if item.get("mark") == "explored"]
    assert {item["reason"] for item in explored} == {"Something different"}
    assert {item["rank"] for item in explored} <= {2, 3}
    for row, exposure in zip(rows, exposures_of(server, 12), strict=True):
        assert exposure.recommendation_id == row["recommendation_id"]
        assert exposure.propensities is not None
        assert exposure.propensity == 1.0
        num = [59 - at for at in range(3)]
        for item, chance in zip(row["items"], exposure.propensities, strict=True):
            at, mark = item["rank"] - 1, item.get("mark")
            expected = 1.0 if at not in (1, 2) else 0.9 / num[at - 1] + (0.0 if mark else 0.1)
            assert chance == pytest.approx(expected, rel=1e-5)


def test_fallbacks_are_as_they_were(serve: Serve) -> None:
    server = serve(experiment=by(pins={"0": "i59"}, diversity={"dpp": 0.5}))
    assert server.home("nobody", limit=4)["items"] == serve().home("nobody", limit=4)["items"]


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({"pins": {"0": "a", "4": "a"}}, "body.pins: item 'a' is pinned at 0 and 4"),
        ({"pins": {"-1": "a"}}, "body.pins.-1"),
        ({"pins": {"1000": "a"}}, "body.pins.1000"),
        ({"pins": {"first": "a"}}, "body.pins.first"),
        ({"pins": ["a"]}, "body.pins"),
        ({"pins": {"0": ""}}, "body.pins.0"),
        ({"pins": {"2": "a"}, "promoted_positions": [2]}, "body.promoted_positions: position 2 is both pinned to 'a'"),
        ({"promoted": ["a", "a"]}, "body.promoted: item 'a' is promoted twice"),
        ({"promoted_positions": [3, 3]}, "body.promoted_positions: position 3 is promoted twice"),
        ({"promoted": [f"i{n}" for n in range(65)]}, "body.promoted"),
        ({"boosts": [{"filter": "year >"}]}, "body.boosts.0.filter: filter, position"),
        ({"boosts": [{"filter": "year > 1", "multiply": -1}]}, "body.boosts.0.multiply"),
        ({"boosts": [{"filter": "year > 1", "multiply": 1001}]}, "body.boosts.0.multiply"),
        ({"boosts": [{"filter": "year > 1", "add": -1.7e308}]}, "body.boosts.0.add"),
        ({"boosts": [{"filter": "year > 1", "factor": 2}]}, "body.boosts.0.factor: unknown field"),
        ({"boosts": [{}]}, "body.boosts.0.filter: this field is needed"),
        ({"buried": ["year > 1", "("]}, "body.buried.1: filter, position"),
        ({"pinned": {}}, "body.pinned: unknown field"),
        ({"rows": 3, "pins": {"0": "a"}, "buried": ["year > 1"]}, "rows: a page of rows takes no pins, buried"),
        ({"session_id": "s"}, "give either user_id or"),
    ],
)
def test_a_mistake_is_named(server: Server, body: dict[str, Any], says: str) -> None:
    answer = server.http.post(HOME, json={"user_id": "u1", **body})
    assert answer.status_code == 422
    assert says in answer.json()["error"]["message"]


def test_what_raises_drives_out_no_mask_that_a_row_needs(server: Server) -> None:
    asked(server, filter="year < 2000")
    held = server.router._catalogue._masks.num_bytes
    asked(server, boosts=[{"filter": "year > 2010", "add": 1}], buried=["year = 2005"])
    assert server.router._catalogue._masks.num_bytes == held == 60
