"""A stage that fails costs its rung, named in the answer; the failing ones are real stages of another registry."""

from __future__ import annotations

import pytest

from cluster.registry import Registry
from serve_apps.live.bundles import LiveBundles
from serve_apps.tiers.ranking import Ranking
from serve_apps.tiers.retrieval import Retrieval
from tests.serve_apps.conftest import Serve, ids
from tests.serve_apps.sample_bundle import publish


@pytest.fixture(scope="module")
def other_registry(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A registry that does not hold the versions the router asks for."""
    registry = Registry(str(tmp_path_factory.mktemp("other")))
    publish(registry, "other")
    registry.promote("other")
    return registry.uri


def test_without_ranking_the_order_of_retrieval_answers(serve: Serve, other_registry: str) -> None:
    whole, without = serve(), serve(ranking=lambda _: Ranking(LiveBundles(other_registry)))
    assert whole.home("u1")["fallback"] is None
    answer = without.home("u1", limit=200)
    assert answer["fallback"] == "without_ranking"
    assert set(ids(answer)) == set(ids(whole.home("u1", limit=200)))
    assert ids(answer) != ids(whole.home("u1", limit=200))


def test_without_retrieval_popular_items_answer(serve: Serve, other_registry: str) -> None:
    server = serve(retrieval=lambda _: Retrieval(LiveBundles(other_registry)))
    server.send("u1", "i0", "click")
    answer = server.home("u1", limit=3)
    assert (answer["fallback_cause"], ids(answer)) == ("retrieval_failed", ["i1", "i2", "i3"])
    answer = server.row("similar", item_id="i1", limit=2)
    assert (answer["fallback"], answer["fallback_cause"]) == ("content", "retrieval_failed")
    assert all({"c1"} & set(item["metadata"]["categories"]) for item in answer["items"])
