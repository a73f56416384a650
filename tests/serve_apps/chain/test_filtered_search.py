"""What few may see is looked for inside the search: a row of it comes from the model, not from what is popular."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import pytest

from cluster.online import catalogue
from cluster.registry import Registry
from models.candidates import Candidates
from models.catalogue_entries import Kind, parse_entry
from models.features import UserBatch
from models.index.packed_rows import PackedRows
from models.recommender import NUM_CANDIDATES
from models.vocabulary import Rows
from serve_apps.live.bundles import LiveBundles
from serve_apps.tiers.retrieval import Retrieval
from tests.serve_apps.conftest import Serve, Server, ids
from tests.serve_apps.sample_bundle import publish

NUM_ITEMS = 20_000
RARE = 'categories ALL ("c3", "c9") AND (year = 1995 OR year = 2000)'


def _is_rare(number: int) -> bool:
    return {number % 7, number % 11} >= {3, 9} and 1990 + number % 30 in (1995, 2000)


NUM_RARE = sum(map(_is_rare, range(NUM_ITEMS)))


Asked = list[tuple[int, list[PackedRows | None]]]


class Watched(Retrieval):
    """Retrieval that remembers how it was asked."""

    def __init__(self, bundles: LiveBundles, asked: Asked) -> None:
        super().__init__(bundles)
        self.asked = asked

    async def retrieve(
        self, version: str, users: UserBatch, k: int, barred: Sequence[Rows], allowed: Sequence[PackedRows | None]
    ) -> list[Candidates]:
        self.asked.append((k, list(allowed)))
        return await super().retrieve(version, users, k, barred, allowed)


@pytest.fixture(scope="module")
def wide(tmp_path_factory: pytest.TempPathFactory) -> str:
    registry = Registry(str(tmp_path_factory.mktemp("wide")))
    publish(registry, "v1", NUM_ITEMS)
    registry.promote("v1")
    return registry.uri


@pytest.fixture
def asked() -> Asked:
    return []


@pytest.fixture
def wide_server(serve: Serve, wide: str, asked: Asked, tmp_path: Path) -> Server:
    return serve(wide, retrieval=partial(Watched, asked=asked))


@pytest.mark.slow
def test_a_filter_that_a_thousandth_passes_fills_its_row_from_the_model(wide_server: Server, asked: Asked) -> None:
    assert 0 < NUM_RARE <= 0.001 * NUM_ITEMS
    answer = wide_server.home("u1", filter=RARE, limit=NUM_RARE)
    assert len(ids(answer)) == NUM_RARE
    assert all(_is_rare(int(item_id[1:])) for item_id in ids(answer))
    assert {item["source"] for item in answer["items"]} == {"model"}
    assert answer["fallback"] is None
    [(k, [mask])] = asked
    assert mask is not None
    assert (k, mask.form, len(mask.data)) == (NUM_CANDIDATES, "rows", 4 * NUM_RARE)
    like_it = wide_server.row("similar", item_id="i7", filter=RARE, limit=NUM_RARE)
    assert set(ids(like_it)) == set(ids(answer))
    assert {item["source"] for item in like_it["items"]} == {"similar"}


@pytest.mark.slow
def test_where_most_may_be_seen_no_mask_travels_unless_too_few_are_left(wide_server: Server, asked: Asked) -> None:
    best = ids(wide_server.home("u1", limit=NUM_CANDIDATES))
    assert asked == [(NUM_CANDIDATES, [None])]
    asked.clear()
    _withdraw(wide_server, best[:10])
    wide_server.home("u1")
    [(k, masks)] = asked
    assert (NUM_CANDIDATES < k < 1.3 * NUM_CANDIDATES, masks) == (True, [None])
    asked.clear()
    _withdraw(wide_server, best)
    answer = wide_server.home("u1", limit=NUM_CANDIDATES)
    assert not set(best) & set(ids(answer))
    assert {item["source"] for item in answer["items"]} == {"model"}
    [(_, [first]), (k, [second])] = asked
    assert (first, k) == (None, NUM_CANDIDATES)
    assert second is not None
    assert (second.form, len(second.data)) == ("others", 4 * len(best))


def _withdraw(server: Server, item_ids: Sequence[str]) -> None:
    entry = parse_entry(Kind.ITEM, {"available": False})
    catalogue.put(server.store.catalogue, Kind.ITEM, [(item_id, entry) for item_id in item_ids])
