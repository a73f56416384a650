"""A filter holds whatever bundle answers in the end: the rows of one bundle are other items in another."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

import pytest

from cluster.registry import Registry
from models.experiments import Experiment, Variant
from tests.serve_apps.chain.test_filters import OLD, year
from tests.serve_apps.chain.test_ladder import Trouble, TroubledRetrieval
from tests.serve_apps.conftest import Serve, ids
from tests.serve_apps.sample_bundle import publish

PINNED = Experiment("salt", (Variant("pinned", 1, version="v2"),))


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The champion has more items than `v2`, whose rows are others."""
    registry = Registry(str(tmp_path_factory.mktemp("versions")))
    publish(registry, "v1", num_items=75)
    publish(registry, "v2", num_items=45, id_digits=3, seed=2)
    registry.promote("v1")
    return registry.uri


def all_old(answer: dict[str, Any]) -> bool:
    return bool(ids(answer)) and all(year(item_id) < 2000 for item_id in ids(answer))


def test_strangers_of_a_pinned_bundle_get_what_passes_of_the_champion(serve: Serve, registry: str) -> None:
    server = serve(registry, experiment=PINNED)
    answer = server.home("nobody", filter=OLD, limit=60)
    assert (answer["model_version"], answer["fallback_cause"]) == ("v1", "unknown_user")
    assert all_old(answer)
    rated = server.home("nobody", max_age_rating=6, limit=60)
    assert all(int(item_id[1:]) % 5 in (1, 2) for item_id in ids(rated))
    page = server.home("nobody", filter=OLD, rows=3)
    assert all(year(item["item_id"]) < 2000 for row in page["rows"] for item in row["items"])


def test_known_users_get_what_passes_of_the_pinned_one_on_every_rung(serve: Serve, registry: str) -> None:
    trouble = Trouble()
    server = serve(registry, experiment=PINNED, retrieval=partial(TroubledRetrieval, trouble=trouble))
    server.send("u001", "i007", "click")
    whole = server.home("u001", filter=OLD, limit=10)
    assert (whole["model_version"], whole["fallback"]) == ("v2", None)
    assert all_old(whole)
    trouble.fails()
    again = server.home("u001", filter=OLD, limit=10)
    assert (again["model_version"], again["fallback"]) == ("v2", "cached")
    assert all_old(again)
    stranger = server.home("u002", filter=OLD, limit=60)
    assert stranger["model_version"] == "v1"
    assert all_old(stranger)


def test_a_last_row_of_a_bundle_whose_filter_is_not_made_is_left(serve: Serve, registry: str) -> None:
    trouble = Trouble()
    server = serve(registry, experiment=PINNED, retrieval=partial(TroubledRetrieval, trouble=trouble))
    server.send("u001", "i7", "click")  # so that both bundles know something of them
    assert server.home("u001")["model_version"] == "v2"
    server.router._experiment.current = Experiment("salt", (Variant("newest", 1),))
    trouble.fails()
    assert server.home("u001")["model_version"] == "v2"
    answer = server.home("u001", filter=OLD)
    assert (answer["model_version"], answer["fallback"]) == ("v1", "popular")
    assert all_old(answer)


def test_a_bundle_that_is_loaded_after_the_filter_has_a_mask_of_its_own(serve: Serve, registry: str) -> None:
    server = serve(registry)
    server.router._experiment.current = PINNED
    answer = server.home("u001", filter=OLD, limit=10)
    assert answer["model_version"] == "v2"
    assert all_old(answer)


def test_a_further_page_is_filtered_by_its_own_bundle(serve: Serve, registry: str) -> None:
    server, other = serve(registry, experiment=PINNED), serve(registry)
    first = server.home("u001", limit=5)
    for one in (server, other):
        page = one.home("u001", limit=5, filter=OLD, cursor=first["next_cursor"])
        while not ids(page) and page["next_cursor"]:
            page = one.home("u001", limit=5, filter=OLD, cursor=page["next_cursor"])
        assert page["model_version"] == "v2"
        assert all_old(page)


@pytest.mark.parametrize(
    ("path", "query"), [("home", {"user_id": "nobody"}), ("similar", {"item_id": "i7"}), ("search", {"q": "title"})]
)
def test_a_champion_that_changes_under_a_question_is_filtered_by_its_own_rows(
    path: str, query: dict[str, str], serve: Serve, registry: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = serve(registry, experiment=PINNED)
    bundles, whole = server.router._bundles, server.router._filter.without
    smaller, larger = asyncio.run(bundles.get("v2")), bundles.champion
    bundles._champion = smaller

    async def changes_after_it(*given: Any) -> Any:
        left_out = await whole(*given)
        bundles._champion = larger
        return left_out

    monkeypatch.setattr(server.router._filter, "without", changes_after_it)
    answer = server.row(path, filter=OLD, limit=60, **query)
    assert answer["model_version"] == "v1"
    assert all_old(answer)
