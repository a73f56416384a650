"""A source that fails, hangs or is late costs itself and nothing else."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from typing import Any

import pytest

from models.experiments import SourceName
from serve_apps.chain.sources.offer import Offer
from serve_apps.chain.sources.source import Batch
from tests.serve_apps.chain.sources.worlds import PATIENT_MS, World, open_world, somebody

pytestmark = pytest.mark.slow

ALL = list(SourceName.__args__)  # type: ignore[attr-defined]
HISTORY = [("i11", "view"), ("i18", "purchase"), ("i25", "click")]


async def _raises(batch: Batch) -> list[Offer]:
    raise RuntimeError("the source is broken")


async def _hangs(batch: Batch) -> list[Offer]:
    await asyncio.sleep(60)
    return []


IN_TIME_MS = 3_000
TROUBLES = [
    # Nothing is trending here.
    *((name, _raises, "failed", PATIENT_MS) for name in ALL if name != "trending"),
    *((name, _hangs, "late", IN_TIME_MS) for name in ("model", "co_visited", "content")),
]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with open_world(tmp_path_factory.mktemp("world")) as made:
        yield made


@pytest.mark.parametrize(("name", "trouble", "end", "timeout_ms"), TROUBLES)
def test_the_others_offer_what_they_would(
    world: World, monkeypatch: pytest.MonkeyPatch, name: str, trouble: Any, end: str, timeout_ms: int
) -> None:
    batch = world.batch(world.task(somebody(HISTORY)))
    whole = world.gather(batch, [ALL])
    assert set(whole.offers[0]) == set(ALL) - {"trending"}
    assert whole.model is not None
    assert whole.model.ok
    monkeypatch.setattr(world.sources.by_name[name], "offers", trouble)
    world.measures.stages.clear()
    started = time.monotonic()
    gathered = world.gather(world.batch(*batch.tasks, timeout_ms=timeout_ms), [ALL])
    took_ms = 1_000 * (time.monotonic() - started)
    assert name not in gathered.offers[0]
    assert {"continue", "popularity"} - {name} <= set(gathered.offers[0])  # they wait for nothing
    if end == "failed":
        assert set(gathered.offers[0]) == set(whole.offers[0]) - {name}
    for one, offer in gathered.offers[0].items():
        assert offer.candidates.item_rows.tolist() == whole.offers[0][one].candidates.item_rows.tolist()
    assert gathered.model is not None
    assert gathered.model.ok == (name != "model")
    assert ("retrieve" if name == "model" else name, end) in world.measures.stages
    assert name == "model" or took_ms < timeout_ms  # there is time for what comes behind it


def test_each_task_gets_what_it_wants_in_its_order(world: World) -> None:
    tasks = [world.task(somebody(HISTORY)), world.task(somebody([])), world.task(somebody([("i3", "view")]))]
    wanted = [["new", "model"], ["popularity", "new"], []]
    offers = world.gather(world.batch(*tasks), wanted).offers
    assert [list(some) for some in offers] == wanted
    assert offers[0]["new"].candidates.item_rows.tolist() == offers[1]["new"].candidates.item_rows.tolist()
    assert offers[0]["new"].shelves[0].title != offers[1]["new"].shelves[0].title


def test_users_of_a_batch_do_not_mix(world: World) -> None:
    """What each is offered does not depend on who else asks."""
    histories = [HISTORY, [("i3", "like"), ("i40", "hide")], [("i11", "hide")], [("i7", "view")]]
    tasks = [world.task(somebody(history)) for history in histories]
    together = world.gather(world.batch(*tasks), [ALL if n != 2 else ALL[1:] for n in range(4)]).offers
    for n, task in enumerate(tasks):
        [alone] = world.gather(world.batch(task), [ALL if n != 2 else ALL[1:]]).offers
        assert list(alone) == list(together[n])
        for name, offer in alone.items():
            others = together[n][name]
            assert offer.candidates.item_rows.tolist() == others.candidates.item_rows.tolist()
            assert [shelf.title for shelf in offer.shelves] == [shelf.title for shelf in others.shelves]
