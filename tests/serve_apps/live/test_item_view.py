"""The items of a bundle and those that came since, as somebody may see them now."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster.online import catalogue
from cluster.online.catalogue_store import Change
from cluster.online.store import OnlineStore, open_store
from cluster.registry import Registry
from models.catalogue_entries import Kind, parse_entry
from models.errors import InputError
from models.filters.masks import Masks
from models.item_state import ItemState
from models.recommender import Recommender
from models.text_index import Text
from models.user_state import EPOCH, UserState
from serve_apps.live import item_view, newcomers
from serve_apps.live.catalogue import LiveCatalogue
from serve_apps.live.fits import Fits
from serve_apps.live.item_view import ItemView

NUM_ITEMS = 60
NOW = datetime(2026, 1, 31, tzinfo=UTC)
ANN = UserState("ann", NOW, country="NO")
SOON = NOW + timedelta(minutes=1)
GONE = ItemState(blocked=True)


@pytest.fixture(scope="module")
def recommender(sample_registry: str) -> Recommender:
    return Recommender.load(Registry(sample_registry).fetch("v1"), "v1")


@pytest.fixture
def view(recommender: Recommender) -> ItemView:
    return ItemView(recommender)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[OnlineStore]:
    store = open_store(f"sqlite:///{tmp_path / 'online.db'}")
    yield store
    store.close()


def us(moment: datetime) -> int:
    return (moment - EPOCH) // timedelta(microseconds=1)


def apply(view: ItemView, **states: ItemState) -> None:
    view.apply([Change(name, view.version + 1 + n, state.to_bytes()) for n, (name, state) in enumerate(states.items())])


def allowed(view: ItemView, user: UserState, *rows: int) -> list[bool]:
    return [bool(each) for each in view.allows(np.asarray(rows), user)]


def test_newcomers_have_the_rows_behind_those_of_the_bundle(view: ItemView) -> None:
    apply(view, new=ItemState(title="New", categories=("sea",)), norway=ItemState(countries=("NO",), title="Fjord"))
    assert [view.id_of(row) for row in (0, 59, 60, 61)] == ["i0", "i59", "new", "norway"]
    assert (view.title(60), view.categories(60)) == ("New", ["sea"])
    assert allowed(view, ANN, 3, 60, 61, 62) == [True, True, True, False]
    assert allowed(view, UserState("bob", NOW, country="SE"), 60, 61) == [True, False]
    assert view.newcomers.row("new") == 60
    fits = Fits(Masks(), 'title = "New"')
    assert view.allows(np.asarray([3, 60, 61]), ANN, fits).tolist() == [False, True, False]


def test_a_row_is_never_anothers(view: ItemView) -> None:
    apply(view, new=ItemState(title="New"))
    apply(view, new=ItemState(title="Newer"), other=ItemState())
    assert (view.newcomers.row("new"), view.title(60)) == (60, "Newer")
    apply(view, new=GONE)
    assert allowed(view, ANN, 60, 61) == [False, True]
    assert (view.id_of(60), view.title(60)) == ("new", None)  # an answer under way may still hold it
    apply(view, new=ItemState(title="Back"))
    assert (view.newcomers.row("new"), view.title(62), allowed(view, ANN, 60, 62)) == (62, "Back", [False, True])


def test_newcomers_are_bounded(view: ItemView, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(newcomers, "MAX_NEWCOMERS", 3)
    for n in range(40):
        apply(view, **{f"new{n}": ItemState(title="New")})
    assert [view.knows(f"new{n}") for n in range(36, 40)] == [False, True, True, True]
    assert len(view.newcomers) == 3
    assert view.id_of(99) == "new39"
    with pytest.raises(InputError, match="row 60 is no item's"):
        view.id_of(60)
    fits = Fits(Masks(), 'title = "New"')
    assert view.passing(np.asarray([60, 99]), fits).tolist() == [False, True]


def test_who_has_to_go_is_in_no_search(view: ItemView, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(newcomers, "MAX_NEWCOMERS", 1)
    apply(view, new=ItemState(title="New"))
    view.take_changed()
    apply(view, newer=ItemState(title="Newer"))
    assert view.take_changed() == {"new": None, "newer": Text("newer", "Newer", ())}


def test_who_has_just_left_is_known_however_many_left_before(view: ItemView, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(newcomers, "MAX_NEWCOMERS", 3)
    for n in range(40):
        apply(view, **{f"new{n}": ItemState(title="New")})
        apply(view, **{f"new{n}": GONE})
        assert view.id_of(60 + n) == f"new{n}"


def test_titles_are_read_while_they_are_written(view: ItemView) -> None:
    row, interval, stop = 7, sys.getswitchinterval(), threading.Event()
    changes = [Change(f"i{row}", 1, ItemState(title=title).to_bytes()) for title in ("Other", view.title(row))]

    def write() -> None:
        while not stop.is_set():
            view.apply(changes)

    writer = threading.Thread(target=write)
    sys.setswitchinterval(1e-6)
    try:
        writer.start()
        for _ in range(100_000):
            view.title(row)
            view.categories(row)
    finally:
        stop.set()
        writer.join()
        sys.setswitchinterval(interval)


def test_too_many_changed_texts_are_read_anew(
    recommender: Recommender, store: OnlineStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(item_view, "MAX_CHANGED", 5)
    live = LiveCatalogue(store.catalogue)
    live.prepare(recommender)
    entries = [(f"new{n}", parse_entry(Kind.ITEM, {"title": f"Lighthouse {n}"})) for n in range(20)]
    catalogue.put(store.catalogue, Kind.ITEM, [*entries, ("i7", parse_entry(Kind.ITEM, {"available": False}))])
    live.catch_up([recommender], store.catalogue.version(Kind.ITEM))
    found = [item_id for item_id, _ in live.texts(recommender).search("lighthouse", 100)]
    assert sorted(found) == sorted(name for name, _ in entries)
    assert "i7" not in [item_id for item_id, _ in live.texts(recommender).search("title", 100)]
    live.close()


def test_changes_that_nobody_takes_are_dropped(view: ItemView, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(item_view, "MAX_CHANGED", 5)
    apply(view, **{f"new{n}": ItemState() for n in range(5)})
    taken = view.take_changed()
    assert taken is not None
    assert len(taken) == 5
    apply(view, **{f"new{n}": ItemState() for n in range(6)})
    assert view.take_changed() is None
    assert view.take_changed() == {}


states = st.builds(
    ItemState,
    blocked=st.booleans(),
    expires_us=st.sampled_from([None, us(NOW), us(SOON)]),
    countries=st.sampled_from([None, ("NO",), ("NO", "SE"), ()]),
)


@given(
    st.dictionaries(st.sampled_from([f"i{n}" for n in range(NUM_ITEMS)]), states), st.sampled_from(["NO", "SE", None])
)
def test_a_mask_is_what_is_allowed(
    recommender: Recommender, changes: dict[str, ItemState], country: str | None
) -> None:
    view, user = ItemView(recommender), UserState("ann", NOW, country=country)
    apply(view, **changes)
    rows = np.arange(NUM_ITEMS)
    fits = Fits(Masks(), "year < 2000")
    for passes in (None, fits):
        assert view.mask(user, passes).allowed().mask.tolist() == view.allows(rows, user, passes).tolist()
        assert view.share(passes) <= float(view.allows(rows, user, passes).mean()) + 1e-9


def test_who_may_see_the_same_shares_a_mask(view: ItemView) -> None:
    apply(view, i1=ItemState(countries=("NO",)), i2=GONE)
    one, other = view.mask(UserState("ann", NOW, country="SE")), view.mask(UserState("bob", NOW))
    assert one is other
    assert view.mask(ANN) is not one
    apply(view, i3=GONE)
    assert view.mask(UserState("bob", NOW)).allowed().rows.tolist() == [0, *range(4, NUM_ITEMS)]


def test_a_mask_ends_when_an_item_expires(view: ItemView) -> None:
    apply(view, i1=ItemState(expires_us=us(SOON)))
    before, after = UserState("ann", NOW), UserState("ann", SOON)
    assert view.mask(before).allowed().mask[1]
    assert not view.mask(after).allowed().mask[1]
